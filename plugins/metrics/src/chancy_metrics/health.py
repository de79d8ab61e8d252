"""Whether the workers of this process are ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from chancy import Worker

# How long the database may take to answer, and how long its answer is good for: a page that anyone may ask for must not
# become a load.
ANSWER_WITHIN_S: Final = 2.0
GOOD_FOR_S: Final = 1.0


class Health:
    """Asks the workers and the database.

    Args:
        workers: the workers of this process, a list that changes.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers: Final = workers
        self._asked_at = float("-inf")
        self._problem: str | None = None
        self._lock: Final = asyncio.Lock()

    async def problems(self) -> list[str]:
        """Why the workers are not ready, a sentence each; none if they are."""
        found = [] if self._workers else ["No worker runs."]
        for worker in self._workers:
            if worker.stopping:
                found.append(f"{worker.name} is stopping.")
            elif not worker.lease_held:
                found.append(f"{worker.name} does not hold its lease.")
            elif (why := worker.hindered) is not None:
                found.append(f"{worker.name} does no work though it should: {why}")
        problem = await self._database()
        return [*found, problem] if problem else found

    def unable(self) -> list[dict[str, str]]:
        """The functions that these workers cannot run, which keeps none of them from being ready for all others."""
        # Not why: that may name hosts and paths, and the page is open to whoever reaches it. The log says it.
        return [{"queue": one.queue, "func": one.func} for worker in self._workers for one in worker.unable]

    async def _database(self) -> str | None:
        async with self._lock:
            if self._workers and time.monotonic() - self._asked_at > GOOD_FOR_S:
                self._problem = await _ask(self._workers[0])
                self._asked_at = time.monotonic()
            return self._problem if self._workers else None


async def _ask(worker: Worker) -> str | None:
    # Not cancelled and waited for: a connection that hangs may take its time to be given up, and a page must not.
    asked = asyncio.ensure_future(worker.chancy.get_all_queues())
    await asyncio.wait({asked}, timeout=ANSWER_WITHIN_S)
    if not asked.done():
        asked.cancel()
        return f"The database did not answer within {ANSWER_WITHIN_S:g} s."
    error = asked.exception()
    # Not its text: it may name hosts and users, and the page is open to whoever reaches it.
    return None if error is None else f"The database does not answer: {type(error).__name__}."
