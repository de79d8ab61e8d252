"""Environments that have nothing but what a user asked for, with the newest or the oldest of what that needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release.projects import Wheel
from release.running import run

# How old what is installed is, and what uv calls that.
RESOLUTIONS = {"newest": "highest", "oldest": "lowest-direct"}


@dataclass(frozen=True)
class Python:
    """An interpreter on this machine."""

    series: str
    path: Path

    @property
    def environment(self) -> dict[str, str]:
        """What markers of requirements are about."""
        return {"python_version": self.series, "python_full_version": f"{self.series}.0"}


def pythons(series: Iterable[str]) -> Iterator[Python]:
    """Those of the series that are at hand: on the path, this one, and what pyenv keeps."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for one in series:
        kept = sorted(pyenv.glob(f"versions/{one}.*/bin/python"))
        on_path = shutil.which(f"python{one}")
        found = [Path(sys.executable), *([Path(on_path)] if on_path else []), *kept]
        for path in found:
            asked = "import sys; print('%d.%d' % sys.version_info[:2])"
            # A name on the path may be a shim that knows no such Python.
            done = subprocess.run([path, "-c", asked], capture_output=True, text=True, check=False)
            if done.stdout.strip() == one:
                yield Python(one, path)
                break


def series_of(classifiers: Iterable[str]) -> list[str]:
    """The series of Python that classifiers name, such as 3.12."""
    found = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text) for text in classifiers]
    return [match[1] for match in found if match]


def requirements(asked: Sequence[Requirement], wheels: Sequence[Wheel], python: Python) -> list[str]:
    """What is asked of the installer: our wheels by their paths, and all that these need of others.

    What ours need of others is listed too, because an installer takes the oldest only of what is listed.
    """
    by_name = {wheel.name: wheel for wheel in wheels}
    extras: dict[str, set[str]] = {}
    others: set[str] = set()
    waiting = list(asked)
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in by_name:
            others.add(f"{one.name}{'[' + ','.join(sorted(one.extras)) + ']' if one.extras else ''}{one.specifier}")
        elif name not in extras or one.extras - extras[name]:
            extras.setdefault(name, set()).update(one.extras)
            waiting += by_name[name].needs(extras[name], python.environment)
    ours = [
        f"{name}{'[' + ','.join(sorted(wanted)) + ']' if wanted else ''} @ {by_name[name].path.as_uri()}"
        for name, wanted in sorted(extras.items())
    ]
    return [*ours, *sorted(others)]


def install(folder: Path, python: Python, asked: Sequence[str], resolution: str, what: str) -> Path:
    """Make an environment with what is asked for; its interpreter."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    made = folder / "venv"
    run(uv, "venv", "--quiet", "--no-python-downloads", "--python", python.path, made, where=folder, what=what)
    interpreter = made / "bin" / "python"
    options = ("--quiet", "--python", str(interpreter), "--resolution", RESOLUTIONS[resolution])
    run(
        *(uv, "pip", "install", *options, *asked),
        where=folder,
        what=f"Installing {what}",
    )
    return interpreter
