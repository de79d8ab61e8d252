"""A plugin that is hostile at random, in every hook of a worker. It is importable, so that child processes have it."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import Any, ClassVar

import jobs

from chancy import Job, Plugin, hookimpl
from chancy_core.plugins import calling, ending, host
from chancy_core.values.queuedjob import QueuedJob

RAISED = (ValueError, NotImplementedError, asyncio.CancelledError, SystemExit, KeyboardInterrupt)
RUBBISH = ([], "x", 3, [None], object())
SPOILING = ("COMMIT", "ROLLBACK", "SELECT nonsense", "SELECT pg_sleep(3600)", "SAVEPOINT chancy_outcomes")


def hasten() -> None:
    """What would take minutes takes moments."""
    ending.ON_COMPLETE_S = ending.ON_END_S = host.ON_STOP_S = calling.LETS_GO_WITHIN_S = 0.3


class Dice:
    """Says at random what a hook does this time."""

    def __init__(self, evil: float) -> None:
        self._evil = evil

    def plain(self) -> Any:
        """Raise, return rubbish, block, or nothing."""
        if random.random() >= self._evil:
            return None
        what = random.randrange(3)
        if what == 0:
            raise random.choice(RAISED)
        if what == 1:
            return random.choice(RUBBISH)
        time.sleep(0.02)
        return None

    async def waiting(self) -> Any:
        """As `plain`, or be slow, hang, or swallow the cancellation, once."""
        if random.random() >= self._evil:
            return None
        what = random.randrange(5)
        if what == 0:
            await asyncio.sleep(0.1)
        elif what == 1:
            await asyncio.sleep(3600)
        elif what == 2:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await asyncio.sleep(0.1)
        else:
            return self.plain()
        return None


class Hostile(Plugin):
    """Hostile at random."""

    name: ClassVar[str] = "hostile"
    interval: float | None = 0.02
    tick_timeout_s: float = 0.2

    def __post_init__(self) -> None:
        self.dice = Dice(0.3)
        self.rarely = Dice(0.01)

    @hookimpl
    def on_push(self, jobs: list[Job]) -> Any:
        return self.dice.plain()

    @hookimpl
    def on_claim(self, jobs: list[QueuedJob]) -> Any:
        return self.dice.plain()

    @hookimpl
    def around_job(self) -> Any:
        return self.rarely.plain()

    @hookimpl
    def on_failure(self) -> Any:
        return self.dice.plain()

    @hookimpl
    async def on_complete(self, connection: Any) -> Any:
        if random.random() < 0.1:
            await connection.execute(random.choice(SPOILING))
        if random.random() < 0.02:
            await connection.close()
        return await self.dice.waiting()

    @hookimpl
    async def on_end(self, connection: Any) -> Any:
        return await self.on_complete(connection)

    @hookimpl
    def on_recorded(self) -> Any:
        return self.dice.plain()

    @hookimpl
    async def on_tick(self) -> Any:
        return await self.dice.waiting()

    @hookimpl
    async def findings(self) -> Any:
        return await self.dice.waiting()

    @hookimpl
    async def gauges(self) -> Any:
        return await self.dice.waiting()

    @hookimpl
    def is_leader(self) -> Any:
        return self.dice.plain()

    @hookimpl
    async def on_start(self) -> Any:
        hasten()
        await asyncio.sleep(random.uniform(0, 0.1))

    @hookimpl
    async def on_stop(self) -> Any:
        return await self.dice.waiting()


class Deaf(Plugin):
    """Swallows every cancellation in one hook, until the gate is opened; at most for so long that a test has failed."""

    name: ClassVar[str] = "deaf"
    enforces: ClassVar[frozenset[str]] = frozenset({"global_concurrency"})
    hook: str = ""
    interval: float | None = 0.02
    tick_timeout_s: float = 0.1

    def __post_init__(self) -> None:
        self.ends_at = time.monotonic() + 20

    def _goes_on(self) -> bool:
        return not jobs.gate.is_set() and time.monotonic() < self.ends_at

    async def _deaf(self, hook: str) -> None:
        while hook == self.hook and self._goes_on():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.02)

    @hookimpl
    async def on_start(self) -> None:
        await self._deaf("on_start")

    @hookimpl
    async def on_stop(self) -> None:
        await self._deaf("on_stop")

    @hookimpl
    async def on_tick(self) -> None:
        await self._deaf("on_tick")

    async def _deaf_on(self, connection: Any) -> None:
        # Whoever is abandoned still has the connection, and here it waits on it, in a transaction of its own.
        while self._goes_on():
            try:
                async with connection.transaction():
                    await connection.execute("SELECT pg_sleep(3600)")
            except (asyncio.CancelledError, Exception):
                await asyncio.sleep(0.02)

    @hookimpl
    async def on_complete(self, connection: Any) -> None:
        if self.hook == "on_complete":
            await self._deaf_on(connection)

    @hookimpl
    async def on_end(self, connection: Any) -> None:
        if self.hook == "on_end":
            await self._deaf_on(connection)

    @hookimpl
    async def claim_budget(self, wanted: int, connection: Any) -> int:
        if self.hook == "claim_budget":
            await self._deaf_on(connection)
        return wanted


class Sleeper(Plugin):
    """Runs a statement that takes an hour, in the transaction that records outcomes."""

    name: ClassVar[str] = "sleeper"

    @hookimpl
    async def on_complete(self, connection: Any) -> None:
        await connection.execute("SELECT pg_sleep(3600)")
