"""What the tests of this room share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's directory, where a search for files ends."""
    (tmp_path / ".git").mkdir()
    return tmp_path
