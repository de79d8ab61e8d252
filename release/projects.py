"""The distributions of this repository: where they lie, and what their wheels ask for."""

from __future__ import annotations

import email
import tomllib
import zipfile
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT, *(path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))))


@dataclass(frozen=True)
class Project:
    """A folder with a `pyproject.toml`."""

    folder: Path

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The whole of its `pyproject.toml`."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def table(self) -> dict[str, Any]:
        """Its table `[project]`."""
        table: dict[str, Any] = self.settings["project"]
        return table

    @property
    def name(self) -> str:
        """As an index knows it."""
        return str(self.table["name"])

    @property
    def packages(self) -> list[Path]:
        """The folders that its wheel brings."""
        return [self.folder / path for path in self.settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]

    @property
    def files(self) -> set[str]:
        """What its wheel has to have, beside its metadata."""
        return {
            str(file.relative_to(package.parent))
            for package in self.packages
            for file in package.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }


@dataclass(frozen=True)
class Wheel:
    """A wheel that was built here."""

    path: Path

    @cached_property
    def metadata(self) -> Message:
        """Its metadata, as an index and pip read it."""
        return email.message_from_bytes(self._read(".dist-info/METADATA"))

    @property
    def name(self) -> str:
        """As other distributions ask for it."""
        return canonicalize_name(str(self.metadata["Name"]))

    def needs(self, extras: set[str], environment: dict[str, str]) -> list[Requirement]:
        """What it asks for with some of its extras, where it is installed in such an environment."""
        asked = [Requirement(text) for text in self.metadata.get_all("Requires-Dist", [])]
        return [
            one
            for one in asked
            if one.marker is None
            or any(one.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))
        ]

    def _read(self, ending: str) -> bytes:
        with zipfile.ZipFile(self.path) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(ending)]
            return archive.read(name)


def all_projects() -> list[Project]:
    """The kernel first, then its plugins."""
    return [Project(folder) for folder in FOLDERS]
