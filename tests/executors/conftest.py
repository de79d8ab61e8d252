"""What the tests of this room share."""

# ruff: noqa: PTH208, ASYNC240 -- it looks into /proc

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from processing import family, lives, settings
from support import until

from chancy_core.executors.process import ProcessExecutor


@pytest.fixture
async def new_executor() -> AsyncIterator[Callable[..., ProcessExecutor]]:
    """Makes process executors, and sees to it that none leaves a process or a descriptor behind."""
    before = set(os.listdir("/proc/self/fd")) if Path("/proc").exists() else set()
    made: list[ProcessExecutor] = []

    def new(**options: Any) -> ProcessExecutor:
        more = {"around": options.pop("around")} if "around" in options else {}
        made.append(ProcessExecutor(settings(**more), **options))
        return made[-1]

    yield new
    for executor in made:
        pids = family(executor)
        await executor.close()
        await until(lambda pids=pids: not any(map(lives, pids)))
    if before:
        assert set(os.listdir("/proc/self/fd")) <= before
