"""Single pushes, written together: those that arrive while a write is in flight form the next one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final

import psycopg
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from chancy_core.app.held import PATIENCE_MS, Held, Waiting, answer, fail
from chancy_core.errors import ChancyError
from chancy_core.log import log
from chancy_core.store import Pool, Store
from chancy_core.store.flow import cursor_of, run_with
from chancy_core.store.jobrows import BATCH_BYTES_MAX, JobRow, weight
from chancy_core.store.keys import Holder, Settled
from chancy_core.store.notices import notices_of
from chancy_core.store.pushes import insert_again, insert_jobs, insert_together
from chancy_core.store.tries import Session, may_try_again, session_of
from chancy_core.values.notices import Notice

BATCH_MAX: Final = 1000
# Steps of the loop to wait for the next push before the connection goes back to the pool: waking the caller takes two.
LINGER_STEPS: Final = 3
# And how long it may stay away altogether, however many pushes follow each other: others may wait for it.
KEEP_S: Final = 0.05
# NOTIFY takes a lock on the whole database at commit, so a queue is told at most this often by one process. Whatever
# falls into the gap is told by the first push after it; if none comes, a little later by itself.
NOTIFY_GAP_S: Final = 0.005
NOTIFY_LATE_S: Final = 0.008


class Pusher:
    """Writes single pushes in batches. One per event loop.

    Those without a unique key wait for nobody. Those with one may have to wait until another transaction that has taken
    it has ended, and so go by themselves.
    """

    def __init__(self, store: Store, pool: Pool, *, notifications: bool) -> None:
        self._telling = _Telling(store, pool, notifications=notifications)
        self._store = store
        self._pool = pool
        self._keyless = _Lane(store, pool, self._telling)
        self._held = Held(store, pool, self._telling.all)
        self._keyed = _Lane(store, pool, self._telling, patience_ms=PATIENCE_MS, held=self._held.put)

    async def push(self, row: JobRow) -> Holder | None:
        """Store one job; returns after its commit.

        Returns:
            The job that holds its unique key, if that is taken.

        Raises:
            UnknownQueue: nobody declared its queue.
            InvalidJob: the database cannot store it.
            DatabaseUnavailable: it could not be stored, or its answer was lost, and nobody can say whether it was.
        """
        waiting = Waiting(row, asyncio.get_running_loop().create_future())
        if row.unique_key is None:
            self._keyless.put(waiting)
        elif not self._held.joined(waiting):
            self._keyed.put(waiting)
        return await waiting.answer

    async def push_together(self, rows: Sequence[JobRow]) -> None:
        """Store some jobs without unique keys, all or none; returns after their commit. Raises as `push`."""
        tell = self._telling.due(rows)
        await self._pool.push(
            insert_together(self._store, rows, tell),
            lambda: insert_again(self._store, rows, self._telling.all(rows)),
        )

    async def close(self) -> None:
        """Wait until everything has been written and told."""
        while tasks := [
            task for task in (self._keyless.task, self._keyed.task, self._telling.task, *self._held.tasks()) if task
        ]:
            await asyncio.wait(tasks)


class _Lane:
    """Writes what comes in, one batch at a time.

    Args:
        store, pool, telling: as the Pusher's.
        patience_ms: how long a batch waits for a unique key that somebody is about to take.
        held: takes over whatever waited in vain.
    """

    def __init__(
        self,
        store: Store,
        pool: Pool,
        telling: _Telling,
        *,
        patience_ms: int | None = None,
        held: Callable[[Waiting], None] | None = None,
    ) -> None:
        self._store = store
        self._pool = pool
        self._telling = telling
        self._patience_ms = patience_ms
        self._held = held
        self._waiting: deque[Waiting] = deque()
        #: Writes, while there is something to be written.
        self.task: asyncio.Task[None] | None = None

    def put(self, waiting: Waiting) -> None:
        """Have one written."""
        self._waiting.append(waiting)
        if self.task is None:
            # In a context of its own: it writes for everybody, not for whoever came first.
            self.task = asyncio.create_task(self._write(), name="chancy.push", context=Context())

    async def _write(self) -> None:
        try:
            while batch := self._next_batch():
                session: Session | None = None
                try:
                    # One connection while pushes follow each other.
                    async with self._pool.lent() as connection, cursor_of(connection) as cursor:
                        session = session_of(connection)
                        until = time.monotonic() + KEEP_S
                        while batch:
                            await self._write_batch(batch, cursor)
                            batch = await self._next_batch_soon() if time.monotonic() < until else []
                except Exception as error:  # noqa: BLE001 -- told to those who wait
                    if may_try_again(error):
                        await self._write_again(batch, session)
                    else:
                        fail(batch, error)
                except BaseException as error:
                    fail(batch, error)
                    raise
        finally:
            self.task = None
            for waiting in self._waiting:
                waiting.answer.cancel()
            self._waiting.clear()

    def _next_batch(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) < BATCH_MAX:
            size += weight(self._waiting[0].row)
            if size > BATCH_BYTES_MAX and batch:
                break
            waiting = self._waiting.popleft()
            # Whoever was cancelled while waiting in line no longer wants the job.
            if not waiting.answer.done():
                batch.append(waiting)
        return batch

    async def _next_batch_soon(self) -> list[Waiting]:
        # Those who were just answered push their next job at the loop's next steps.
        for _ in range(LINGER_STEPS):
            if self._waiting:
                break
            await asyncio.sleep(0)
        return self._next_batch()

    async def _write_batch(self, batch: list[Waiting], cursor: AsyncCursor[TupleRow]) -> None:
        """Write a batch, and answer everyone in it. Raises only what another attempt may help against."""
        rows = [waiting.row for waiting in batch]
        settled: Settled = {}
        flow = insert_jobs(self._store, rows, self._telling.due(rows), patience_ms=self._patience_ms, settled=settled)
        try:
            taken = await run_with(cursor, flow)
        except (ChancyError, psycopg.Error, UnicodeError) as error:
            # What was settled before it failed is stored, or needs not be.
            answer([waiting for waiting in batch if waiting.row.id in settled], settled)
            batch = [waiting for waiting in batch if waiting.row.id not in settled]
            is_held = self._held is not None and isinstance(error, psycopg.errors.LockNotAvailable)
            if not is_held and may_try_again(error):
                raise
            # One bad job must not fail its neighbours: by halves, until it is alone.
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._write_batch(batch[:middle], cursor)
                await self._write_batch(batch[middle:], cursor)
            elif batch and is_held and self._held is not None:
                self._held(batch[0])
            else:
                fail(batch, error)
        else:
            answer(batch, taken)

    async def _write_again(self, batch: list[Waiting], lost: Session | None) -> None:
        """Write a batch whose answer was lost, so that nobody knows how much of it was stored."""
        left = [waiting for waiting in batch if not waiting.answer.done()]
        rows = [waiting.row for waiting in left]
        if not rows:
            return
        tell = self._telling.all(rows)
        try:
            if self._held is None:
                answer(left, await self._pool.run(lambda: insert_again(self._store, rows, tell), lost=lost))
            else:
                # Each key by itself, once the session that was lost stores nothing any more.
                await self._pool.run(lambda: self._store.notify(()), lost=lost)
                for waiting in left:
                    self._held(waiting)
        except BaseException as error:
            fail(left, error)
            if not isinstance(error, Exception):
                raise


class _Telling:
    """What the pushes of one process tell, and when. One per event loop."""

    def __init__(self, store: Store, pool: Pool, *, notifications: bool) -> None:
        self._store = store
        self._pool = pool
        self._notifications = notifications
        self._told_at: dict[Notice, float] = {}
        # What has to be told yet, and since when.
        self._late: dict[Notice, float] = {}
        #: Tells what is late, if anything is.
        self.task: asyncio.Task[None] | None = None

    def due(self, rows: Sequence[JobRow]) -> list[Notice]:
        """What the statement that stores these rows has to tell; the rest of it is told later."""
        if not self._notifications:
            return []
        now = time.monotonic()
        tell = []
        for notice in notices_of(rows):
            if now - self._told_at.get(notice, 0.0) >= NOTIFY_GAP_S:
                self._told_at[notice] = now
                self._late.pop(notice, None)
                tell.append(notice)
            else:
                self._late.setdefault(notice, now)
        if self._late and self.task is None:
            self.task = asyncio.create_task(self._tell_late(), name="chancy.notify", context=Context())
        return tell

    def all(self, rows: Sequence[JobRow]) -> list[Notice]:
        """What there is to tell of these rows."""
        return notices_of(rows) if self._notifications else []

    async def _tell_late(self) -> None:
        try:
            while self._late:
                now = time.monotonic()
                # While pushes follow each other, each tells for those before it, and nothing is left for this.
                wait_s = min(self._late.values()) + NOTIFY_LATE_S - now
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                    continue
                notices, self._late = sorted(self._late), {}
                await self._pool.run(lambda notices=notices: self._store.notify(notices), within_s=0)  # type: ignore[misc]
                self._told_at |= dict.fromkeys(notices, time.monotonic())
        except (ChancyError, psycopg.Error) as error:
            # The jobs are stored; workers find them when they poll.
            log.warning("notify_failed", error=str(error))
        finally:
            self.task = None
