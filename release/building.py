"""Builds every distribution as it would be published: a source distribution, and the wheel that is made of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from release import checks
from release.projects import ROOT, Project, Wheel
from release.running import CheckError, run


def build(projects: list[Project], dist: Path) -> list[Wheel]:
    """Build and check them; the wheels, in the order of the projects.

    Raises:
        CheckError: One cannot be built, or is not what it should be.
    """
    _refuse("The settings do not agree", checks.of_settings(projects))
    wheels = []
    for project in projects:
        # A source distribution in a folder, and nothing but it for the wheel: what it lacks, the wheel lacks.
        run(
            *(
                sys.executable,
                "-m",
                "build",
                "--quiet",
                "--installer",
                "uv",
                "--outdir",
                str(dist),
                str(project.folder),
            ),
            where=ROOT,
            what=f"Building {project.name}",
        )
        stem = f"{project.name.replace('-', '_')}-{project.table['version']}"
        (path,) = dist.glob(f"{stem}-*.whl")
        wheels.append(Wheel(path))
        _refuse(f"{project.name} is not as it should be", checks.of_sdist(project, dist / f"{stem}.tar.gz"))
        _refuse(f"{project.name} is not as it should be", checks.of_wheel(project, wheels[-1]))
    run(
        *(sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(dist.glob("chancy_*")))),
        where=ROOT,
        what="What an index says of the metadata and the READMEs",
    )
    return wheels


def _refuse(what: str, wrong: Iterable[str]) -> None:
    found = list(wrong)
    if found:
        raise CheckError(f"{what}:\n" + "\n".join(f"  {one}" for one in found))
