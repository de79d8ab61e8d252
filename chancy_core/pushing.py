"""Single pushes, written together: those that arrive while a write is in flight form the next one."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from contextvars import Context
from typing import Final, NamedTuple

import psycopg
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from chancy_core.errors import ChancyError
from chancy_core.log import log
from chancy_core.store import Pool, Store
from chancy_core.store.codec import JobRow
from chancy_core.store.flow import cursor_of, run_with
from chancy_core.store.notices import payloads
from chancy_core.store.weather import is_weather

BATCH_MAX: Final = 1000
# NOTIFY takes a lock on the whole database at commit, so a queue is told at most this often by one process. Whatever
# falls into the gap is told by the first push after it; if none comes, a little later by itself.
NOTIFY_GAP_S: Final = 0.005
NOTIFY_LATE_S: Final = 0.008
# Steps of the loop to wait for the next push before the connection goes back to the pool: waking the caller takes two.
LINGER_STEPS: Final = 3
# And how long it may stay away altogether, however many pushes follow each other: others may wait for it.
KEEP_S: Final = 0.05


class _Waiting(NamedTuple):
    row: JobRow
    answer: asyncio.Future[uuid.UUID | None]


class Pusher:
    """Writes single pushes in batches. One per event loop; at most one write in flight."""

    def __init__(self, store: Store, pool: Pool, *, notifications: bool) -> None:
        self._store = store
        self._pool = pool
        self._notifications = notifications
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._told_at: dict[str, float] = {}
        # What has to be told yet, and since when.
        self._late: dict[str, float] = {}
        self._late_task: asyncio.Task[None] | None = None

    async def push(self, row: JobRow) -> uuid.UUID | None:
        """Store one job; returns after its commit.

        Returns:
            The id of the job that holds its unique key, if that is taken.

        Raises:
            UnknownQueue: nobody declared its queue.
        """
        answer: asyncio.Future[uuid.UUID | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(row, answer))
        if self._writer is None:
            # In a context of its own: it writes for everybody, not for whoever came first.
            self._writer = asyncio.create_task(self._write(), name="chancy.push", context=Context())
        return await answer

    async def close(self) -> None:
        """Wait until everything has been written and told."""
        while self._writer is not None or self._late_task is not None:
            tasks = [task for task in (self._writer, self._late_task) if task]
            await asyncio.wait(tasks)

    async def _write(self) -> None:
        try:
            while batch := self._next_batch():
                try:
                    # One connection while pushes follow each other.
                    async with self._pool.connection() as connection, cursor_of(connection) as cursor:
                        until = time.monotonic() + KEEP_S
                        while batch:
                            await self._write_batch(batch, cursor)
                            batch = await self._next_batch_soon() if time.monotonic() < until else []
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    await self._write_again(batch)
                except BaseException as error:
                    self._fail(batch, error)
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._writer = None
            for waiting in self._waiting:
                waiting.answer.cancel()
            self._waiting.clear()

    def _next_batch(self) -> list[_Waiting]:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
            # Whoever was cancelled while waiting in line no longer wants the job.
            batch = [waiting for waiting in taken if not waiting.answer.done()]
            if batch:
                return batch
        return []

    async def _next_batch_soon(self) -> list[_Waiting]:
        # Those who were just answered push their next job at the loop's next steps.
        for _ in range(LINGER_STEPS):
            if self._waiting:
                break
            await asyncio.sleep(0)
        return self._next_batch()

    async def _write_batch(self, batch: list[_Waiting], cursor: AsyncCursor[TupleRow]) -> None:
        """Write a batch, and answer everyone in it. Raises only if the connection is of no more use."""
        rows = [waiting.row for waiting in batch]
        try:
            taken = await run_with(cursor, self._store.insert(rows, self._due_payloads(rows)))
        except (ChancyError, psycopg.Error) as error:
            if is_weather(error):
                raise
            # One bad job must not fail its neighbours: each alone. Nothing of the batch was stored.
            if len(batch) > 1:
                for waiting in batch:
                    await self._write_batch([waiting], cursor)
            else:
                self._fail(batch, error)
        else:
            self._answer(batch, taken)

    async def _write_again(self, batch: list[_Waiting]) -> None:
        """Write a batch whose connection was lost, so that nobody knows how much of it was stored."""
        left = [waiting for waiting in batch if not waiting.answer.done()]
        rows = [waiting.row for waiting in left]
        try:
            await self._pool.check()
            taken = await self._pool.run(lambda: self._store.insert_again(rows, payloads(rows)))
        except BaseException as error:
            self._fail(left, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._answer(left, taken)

    @staticmethod
    def _answer(batch: list[_Waiting], taken: dict[str, uuid.UUID]) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_result(taken.get(waiting.row.id))

    @staticmethod
    def _fail(batch: list[_Waiting], error: BaseException) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)

    def _due_payloads(self, rows: list[JobRow]) -> list[str]:
        if not self._notifications:
            return []
        now = time.monotonic()
        tell = []
        for text in payloads(rows):
            if now - self._told_at.get(text, 0.0) >= NOTIFY_GAP_S:
                self._told_at[text] = now
                self._late.pop(text, None)
                tell.append(text)
            else:
                self._late.setdefault(text, now)
        if self._late and self._late_task is None:
            self._late_task = asyncio.create_task(self._tell_late(), name="chancy.notify", context=Context())
        return tell

    async def _tell_late(self) -> None:
        try:
            while self._late:
                now = time.monotonic()
                # While pushes follow each other, each tells for those before it, and nothing is left for this.
                wait_s = min(self._late.values()) + NOTIFY_LATE_S - now
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                    continue
                texts, self._late = sorted(self._late), {}
                await self._pool.run(lambda texts=texts: self._store.notify(texts))  # type: ignore[misc]
                self._told_at |= dict.fromkeys(texts, time.monotonic())
        except (ChancyError, psycopg.Error) as error:
            # The jobs are stored; workers find them when they poll.
            log.warning("notify_failed", error=str(error))
        finally:
            self._late_task = None
