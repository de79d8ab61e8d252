"""What tests of the command share."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Commands


@pytest.fixture
def run(dsn: str, schema: str, tmp_path: Path) -> Commands:
    """The command, for the test's schema, in a folder of its own."""
    return Commands(dsn, schema, tmp_path)
