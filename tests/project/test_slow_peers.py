"""A peer that is slow, or that leaves jobs behind for ever, holds up no run of the benchmarks."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import peering


class Stuck:
    """A peer's producer and its worker: of fifty jobs, twenty are never done."""

    peer = SimpleNamespace(label="stuck 1.0")

    def __init__(self, done: int) -> None:
        self.left = itertools.chain([50, 50], itertools.repeat(50 - done, 1000))

    @asynccontextmanager
    async def child(self, role: str) -> AsyncIterator[Stuck]:
        yield self

    async def ask(self, command: str) -> str:
        return str(next(self.left)) if command == "left" else ""

    async def cpu_s(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second later."""
    seconds = itertools.count()
    monkeypatch.setattr(peering, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    monkeypatch.setattr(peering, "LOOK_EVERY_S", 0)


async def test_a_drain_of_a_peer_that_leaves_jobs_behind_ends() -> None:
    """It went on for ever. What was done until then has a pace."""
    stuck: Any = Stuck(done=30)
    sample = await peering._drained_elsewhere(stuck, [stuck], 20.0)
    assert 30 / 40 < sample["jobs_s"] < 30 / 10


async def test_a_peer_that_does_nothing_has_no_pace() -> None:
    """Its scenario says so, and the others go on."""
    stuck: Any = Stuck(done=0)
    with pytest.raises(RuntimeError, match=r"stuck 1\.0 did none of 50 jobs in 20 s"):
        await peering._drained_elsewhere(stuck, [stuck], 20.0)
