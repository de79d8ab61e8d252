"""Waiting for jobs: however many wait in a process, one query asks for all of them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from typing import Final

from chancy_core.app.reference import missing
from chancy_core.errors import WaitTimeout
from chancy_core.log import log
from chancy_core.store import Pool, Store, SyncPool
from chancy_core.store.jobs import get_finished
from chancy_core.store.weather import is_weather, text_of
from chancy_core.values.queuedjob import QueuedJob

# The first look comes at once: many jobs have finished before somebody waits for them. The second one comes soon,
# because many are short; then the pause doubles up to the second number, which is what bounds the queries a second.
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.25
# A push on the caller's transaction may be waited for before that commits.
MISSING_GRACE_S: Final = 5.0
IDS_PER_QUERY: Final = 5000


def timed_out(identifier: uuid.UUID, timeout_s: float | None) -> WaitTimeout:
    """The error for a job that took too long."""
    return WaitTimeout(
        f"Job {identifier} has not finished within {timeout_s:g} s. It goes on: wait again, or look at it with "
        "get_job()."
        if timeout_s is not None
        else f"Job {identifier} has not finished."
    )


class Waiter:
    """Watches the jobs that somebody in this process waits for. One per event loop."""

    def __init__(self, store: Store, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._wanted: dict[uuid.UUID, asyncio.Future[QueuedJob]] = {}
        self._since: dict[uuid.UUID, float] = {}
        self._waiters: dict[uuid.UUID, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._pause_s = FIRST_PAUSE_S
        # Those who have not been looked at yet, and what rings when there are any.
        self._new: list[uuid.UUID] = []
        self._came = asyncio.Event()
        # When all are to be looked at, by the monotonic clock.
        self._next_at = 0.0

    async def wait(self, identifier: uuid.UUID, timeout_s: float | None) -> QueuedJob:
        """The finished job. Raises WaitTimeout, JobNotFound."""
        future = self._wanted.get(identifier)
        if future is None:
            future = self._wanted[identifier] = asyncio.get_running_loop().create_future()
            self._since[identifier] = time.monotonic()
            self._pause_s = FIRST_PAUSE_S
            self._new.append(identifier)
            self._came.set()
        self._waiters[identifier] = self._waiters.get(identifier, 0) + 1
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name="chancy.wait", context=Context())
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(future)
        except TimeoutError:
            raise timed_out(identifier, timeout_s) from None
        finally:
            self._waiters[identifier] -= 1
            if not self._waiters[identifier]:
                self._forget(identifier)

    async def close(self) -> None:
        """Stop watching; whoever still waits is cancelled."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        for future in list(self._wanted.values()):
            future.cancel()

    def _forget(self, identifier: uuid.UUID) -> None:
        for registry in (self._wanted, self._since, self._waiters):
            registry.pop(identifier, None)

    async def _watch(self) -> None:
        try:
            self._next_at = time.monotonic() + FIRST_PAUSE_S
            while self._wanted:
                try:
                    await self._look_in_time()
                except Exception as error:  # noqa: BLE001 -- those who wait have their own timeouts
                    if not is_weather(error):
                        self._fail_all(error)
                        return
                    log.warning("wait_interrupted", error=text_of(error))
                    await asyncio.sleep(LONGEST_PAUSE_S * 4)
        finally:
            self._task = None

    async def _look_in_time(self) -> None:
        """Look at those who have just come, at once; or at all, when it is time for that."""
        if not self._came.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(max(self._next_at - time.monotonic(), 0)):
                    await self._came.wait()
        self._came.clear()
        new, self._new = self._new, []
        # However many come one after another, those who wait longer have their turn.
        if time.monotonic() < self._next_at:
            await self._look([id_ for id_ in new if id_ in self._wanted])
            self._next_at = min(self._next_at, time.monotonic() + FIRST_PAUSE_S)
        else:
            await self._look(list(self._wanted))
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self._next_at = time.monotonic() + self._pause_s

    async def _look(self, ids: Sequence[uuid.UUID]) -> None:
        for start in range(0, len(ids), IDS_PER_QUERY):
            await self._look_at(ids[start : start + IDS_PER_QUERY])

    async def _look_at(self, ids: Sequence[uuid.UUID]) -> None:
        there, finished = await self._pool.run(lambda: get_finished(self._store, ids))
        for id_, job in finished.items():
            future = self._wanted.get(id_)
            if future is not None and not future.done():
                future.set_result(job)
        now = time.monotonic()
        for id_ in ids:
            if id_ not in there and now - self._since.get(id_, now) > MISSING_GRACE_S:
                self._fail(id_, missing(id_))

    def _fail(self, identifier: uuid.UUID, error: BaseException) -> None:
        future = self._wanted.get(identifier)
        if future is not None and not future.done():
            future.set_exception(error)

    def _fail_all(self, error: BaseException) -> None:
        for identifier in list(self._wanted):
            self._fail(identifier, error)


def wait_sync(store: Store, pool: SyncPool, identifier: uuid.UUID, timeout_s: float | None) -> QueuedJob:
    """As `Waiter.wait`, for one job and without asyncio."""
    start = time.monotonic()
    pause_s = FIRST_PAUSE_S
    while True:
        there = True
        left_s = None if timeout_s is None else max(start + timeout_s - time.monotonic(), 0)
        try:
            there, job = _look_sync(store, pool, identifier, left_s)
        except Exception as error:
            if not is_weather(error):
                raise
            log.warning("wait_interrupted", error=text_of(error))
            pause_s = LONGEST_PAUSE_S * 4
        else:
            if job is not None:
                return job
        waited_s = time.monotonic() - start
        if not there and waited_s > MISSING_GRACE_S:
            raise missing(identifier)
        if timeout_s is not None and waited_s >= timeout_s:
            raise timed_out(identifier, timeout_s)
        time.sleep(pause_s if timeout_s is None else min(pause_s, max(timeout_s - waited_s, 0)))
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _look_sync(
    store: Store, pool: SyncPool, identifier: uuid.UUID, within_s: float | None
) -> tuple[bool, QueuedJob | None]:
    """Whether there is such a job, and the job if it has finished."""
    there, finished = pool.run(lambda: get_finished(store, [identifier]), within_s=within_s)
    return identifier in there, finished.get(identifier)
