"""What the tests of this room share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from docpages import ENDS_WITHIN_S, without_failed_attempts


@pytest.fixture
def environment(dsn: str, schema: str, tmp_path: Path) -> dict[str, str]:
    """What a program of the documentation runs in: the tests' database, and modules in its own folder."""
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema, "PYTHONPATH": path}


@pytest.fixture
def python(environment: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """Runs Python to its end, which must be a good one; returns what it printed."""

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in without_failed_attempts(done.stderr), done.stderr
        return done.stdout

    return run
