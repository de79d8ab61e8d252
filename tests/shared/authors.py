"""An author of a plugin, who makes mistakes."""

from __future__ import annotations

import importlib
import textwrap
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest

from chancy import Chancy, ChancyError

HEAD = """
from typing import Any, ClassVar
import click
from chancy.plugin import Migration, Plugin, Statements, hookimpl, read_migrations

"""


class Author:
    """Somebody who writes a plugin `audit`, in a file `audit_plugin.py`, and installs it or gives it in code."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.file = folder / "audit_plugin.py"
        self._patch = monkeypatch

    def writes(self, body: str, entry: str = "audit = audit_plugin:Audit") -> None:
        """The file, and the distribution that offers it."""
        self.file.write_text(HEAD + textwrap.dedent(body))
        about = self.folder / "acme_audit-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-audit\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[chancy]\n{entry}\n")
        # Whatever else is installed here.
        points = [
            point
            for found in importlib_metadata.Distribution.discover(path=[str(self.folder)])
            for point in found.entry_points
        ]
        self._patch.setattr("importlib_metadata.entry_points", lambda **_: points)
        importlib.invalidate_caches()

    def written(self) -> Any:
        """The class, for those who give it in code."""
        return importlib.import_module("audit_plugin").Audit

    def settings(self, text: str) -> Path:
        """A configuration file."""
        (self.folder / "chancy.toml").write_text(text)
        return self.folder / "chancy.toml"

    def error(self, text: str = "", **changed: Any) -> str:
        """What Chancy says to the plugin."""
        config = self.settings(text)
        with pytest.raises(ChancyError) as caught:
            Chancy("postgresql://", config=config, **{"discover": True, **changed})
        return str(caught.value)
