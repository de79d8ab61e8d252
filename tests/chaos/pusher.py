"""An application that pushes, whatever happens."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Self

from chancy_core.app import Chancy
from chancy_core.values.job import Job

QUEUE: Final = "shared"
PUSH_EVERY_S: Final = 0.03
# A job for each queue of theirs.
GOING_MAX: Final = 50


class Pusher:
    """Pushes jobs, one after the other, whatever happens; knows which of them it was told are stored."""

    def __init__(self, chancy: Chancy, jobs: Callable[[str], Job], *, sync: bool) -> None:
        self._chancy = chancy
        self._sync = sync
        self._jobs = jobs
        # When each push began that has not ended.
        self._going: dict[asyncio.Task[None], float] = {}
        self._task: asyncio.Task[None] | None = None
        self.stored: set[str] = set()
        self.stored_at = 0.0
        self.refused: Counter[str] = Counter()

    def start(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._going:
            await asyncio.wait(list(self._going), timeout=30)
        for task in list(self._going):
            task.cancel()

    def goes_on_after(self, moment: float) -> bool:
        """Whether pushes have been stored after a moment, and none is left that began before it."""
        return self.stored_at > moment and (self.oldest is None or self.oldest > moment)

    @property
    def oldest(self) -> float | None:
        """When the oldest push began that has not ended."""
        return min(self._going.values(), default=None)

    async def _run(self) -> None:
        while True:
            if len(self._going) < GOING_MAX:
                task = asyncio.create_task(self._push())
                self._going[task] = time.monotonic()
                task.add_done_callback(self._going.pop)
            await asyncio.sleep(PUSH_EVERY_S)

    async def _push(self) -> None:
        token = secrets.token_hex(6)
        many = random.random() < 0.05
        tokens = [f"{token}-{number}" for number in range(5)] if many else [token]
        jobs = [self._jobs(each) for each in tokens]
        try:
            if self._sync:
                await asyncio.to_thread(self._chancy.sync_push, QUEUE, jobs[0])
                del tokens[1:]
            elif many:
                await self._chancy.push_many(QUEUE, jobs)
            else:
                await self._chancy.push(QUEUE, jobs[0])
        except Exception as error:
            # Whether it is stored is not known, and so it is not expected.
            self.refused[type(error).__name__] += 1
        else:
            self.stored.update(tokens)
            self.stored_at = time.monotonic()
