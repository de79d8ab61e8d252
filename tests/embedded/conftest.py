"""What the tests of this room share."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from servers_at_home import (
    is_stopped,
    wait_until,
)


@pytest.fixture
def folder():
    """A folder with a short name that, unlike `tmp_path`, the user of root's server can enter."""
    path = Path(tempfile.mkdtemp(prefix="chancy-test-", dir="/tmp")).resolve()
    path.chmod(0o755)
    yield path
    running = [each.parent for each in path.rglob("server.lock")]
    try:
        for each in running:
            wait_until(lambda each=each: is_stopped(each))
    finally:
        shutil.rmtree(path)


@pytest.fixture
def directory(folder):
    return folder / "pg"
