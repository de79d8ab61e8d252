"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chancy import Chancy
from chancy.plugins.limits import Limits

HERE = Path(__file__).parent


@pytest.fixture
def new_chancy(dsn: str, schema: str) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with this plugin, one for each process to be, and those that are given."""

    def new(*plugins: Any, **settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=[Limits(), *plugins], **settings)

    return new


@pytest.fixture
def start(dsn: str, schema: str) -> Iterator[Callable[[int], list[subprocess.Popen[str]]]]:
    """Starts so many workers, each a process of its own, and returns once they work; none outlives the test."""
    running: list[subprocess.Popen[str]] = []

    def start_all(count: int, *options: str) -> list[subprocess.Popen[str]]:
        started = [
            subprocess.Popen(
                [sys.executable, str(HERE / "process.py"), dsn, schema, *options], stdout=subprocess.PIPE, text=True
            )
            for _ in range(count)
        ]
        running.extend(started)
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "works\n"
        return started

    yield start_all
    for process in running:
        process.kill()
        process.communicate()
