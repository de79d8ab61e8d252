"""Wait until jobs have finished.

With asyncio all who wait share one question to the database; without, each thread asks for itself. So these are written
twice, and share what `waiting` has for both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chancy_core.app.given import Ref, check_timeout, identifier_of, identifiers_of
from chancy_core.app.waiting import wait_sync
from chancy_core.values.queuedjob import QueuedJob

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy


async def wait_for_job(self: Chancy, ref: Ref, *, timeout: float | None = None) -> QueuedJob:
    """The finished job. As `Reference.wait`."""
    check_timeout(timeout)
    side = self.opening.here or await self.opening.ready()
    return await side.waiter.wait(identifier_of(ref), timeout)


def sync_wait_for_job(self: Chancy, ref: Ref, *, timeout: float | None = None) -> QueuedJob:
    """As `wait_for_job`, for code without asyncio."""
    check_timeout(timeout)
    return wait_sync(self.store, self.opening.ready_sync().pool, identifier_of(ref), timeout)


async def wait_for_jobs(self: Chancy, refs: Iterable[Ref], *, timeout: float | None = None) -> list[QueuedJob]:
    """The finished jobs, in the order of `refs`, once all have finished. As `wait_for_job`."""
    waits = [asyncio.ensure_future(self.wait_for_job(id_, timeout=timeout)) for id_ in identifiers_of(refs)]
    try:
        return list(await asyncio.gather(*waits))
    finally:
        for wait in waits:
            wait.cancel()


def sync_wait_for_jobs(self: Chancy, refs: Iterable[Ref], *, timeout: float | None = None) -> list[QueuedJob]:
    """As `wait_for_jobs`, for code without asyncio."""
    check_timeout(timeout)
    until = None if timeout is None else time.monotonic() + timeout
    return [
        self.sync_wait_for_job(id_, timeout=None if until is None else max(until - time.monotonic(), 0.0))
        for id_ in identifiers_of(refs)
    ]
