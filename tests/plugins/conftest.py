"""What the tests of this room share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from authors import Author


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Author:
    """The author, whose file is importable for the length of the test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "audit_plugin", raising=False)
    return Author(tmp_path, monkeypatch)
