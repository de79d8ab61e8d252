"""Store jobs: one, or many at once.

A push may be repeated after a lost answer, because its job has an id by then: `pushing`, `insert_again`. With asyncio,
pushes that run at the same time are written together. So these are written twice, and share what `preparing` has.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import psycopg

from chancy_core.app.callers import (
    run_found,
    run_found_sync,
    savepoint_in,
    savepoint_in_sync,
    write_on,
    write_on_sync,
)
from chancy_core.app.handed import OWN, Found, Sync, connection_in, sync_connection_in
from chancy_core.app.held import key_is_held
from chancy_core.app.preparing import Bulk, by_itself, notices_for, reference_of, row_of
from chancy_core.app.reading import OneAtATime, Pushable, PushesItself, groups, groups_sync
from chancy_core.app.reference import Reference, References
from chancy_core.errors import ChancyError, DatabaseUnavailable
from chancy_core.store import Pool, SyncPool
from chancy_core.store.connect import where
from chancy_core.store.jobrows import JobRow, weight
from chancy_core.store.keys import Holder
from chancy_core.store.notices import notices_of
from chancy_core.store.pushes import holders, insert_again, insert_jobs, insert_together
from chancy_core.store.weather import Fault, fault_of, text_of
from chancy_core.values.fields import OnConflict
from chancy_core.values.notices import Notice
from chancy_core.values.turns import LARGE

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

R = TypeVar("R")

# How long the push of a thread waits for a transaction that is about to take its unique key, before it begins anew:
# less than a connection may be silent. And how long a bulk push does, which cannot begin anew.
PATIENCE_MS: Final = 5_000
MANY_PATIENCE_MS: Final = 10_000
MANY_DEADLINE_S: Final = 12.0


@overload
async def push(
    self: Chancy,
    queue: str | Pushable | None = None,
    job: Pushable | None = None,
    *,
    connection: Any = OWN,
    on_conflict: OnConflict | None = None,
) -> Reference: ...
@overload
async def push(self: Chancy, queue: PushesItself[R], *, connection: Any = OWN) -> R: ...
async def push(
    self: Chancy,
    queue: Any = None,
    job: Pushable | None = None,
    *,
    connection: Any = OWN,
    on_conflict: OnConflict | None = None,
) -> Any:
    """Store a job: `push("default", job)`, or `push(job)` to the job's own queue.

    Returns after the commit. Pushes that run at the same time are written together.

    Args:
        queue: the queue, instead of the job's own.
        job: a `Job`, or a function decorated with `@job`; alone, also what knows how to push itself, such as a workflow
            of `chancy-workflow`, and then what that returns is returned.
        connection: a connection of your own: of psycopg (or a cursor), SQLAlchemy (or a session), Django, asyncpg or
            psycopg2. The job is written in its transaction, and exists if and only if that commits. Not None: leave it
            out.
        on_conflict: what becomes of it if its unique key is taken, instead of what the job says itself: "existing",
            "raise" or "replace"; see `Job`.

    Returns:
        The handle of the job. Its `created` is False if the job's unique key was taken; then it
        is the handle of the job that holds the key, and `replaced` says whether that has been replaced.

    Raises:
        InvalidJob: it cannot be stored as it is; nothing was written.
        UnknownQueue: nobody declared the queue; nothing was written.
        InvalidConnection: `connection` cannot be written on; says what to give instead.
        UniqueKeyTaken: the job's unique key is taken, and its `on_conflict` asks for that; nothing was written.
        DatabaseUnavailable: the database was out of reach for longer than it was tried; whether the job was
            stored is then not known.
        ChancyError: a transaction that has not ended holds the job's unique key, and has for long.
    """
    if hasattr(queue, "push_with"):
        return await queue.push_with(self, **by_itself(queue, job, connection, on_conflict))
    side = self.opening.here or await self.opening.ready(makes=True)
    if connection is not OWN:
        row = row_of(self, queue, job, on_conflict)
        flow = insert_jobs(self.store, [row], notices_for(self, row), hold=True)
        return reference_of(self, row, (await write_on(self, connection, flow)).get(row.id))
    if side.turns.used_up():
        await side.turns.mine()
    row = row_of(self, queue, job, on_conflict)
    if row.kwargs is not None and len(row.kwargs) > LARGE:
        side.turns.encoded(weight(row))
    return reference_of(self, row, await side.pusher.push(row))


@overload
def sync_push(
    self: Chancy,
    queue: str | Pushable | None = None,
    job: Pushable | None = None,
    *,
    connection: Any = OWN,
    on_conflict: OnConflict | None = None,
) -> Reference: ...
@overload
def sync_push(self: Chancy, queue: PushesItself[R], *, connection: Any = OWN) -> R: ...
def sync_push(
    self: Chancy,
    queue: Any = None,
    job: Pushable | None = None,
    *,
    connection: Any = OWN,
    on_conflict: OnConflict | None = None,
) -> Any:
    """As `push`, for code without asyncio. `connection` must be a sync one."""
    if hasattr(queue, "sync_push_with"):
        return queue.sync_push_with(self, **by_itself(queue, job, connection, on_conflict))
    pool = (self.opening.here_sync or self.opening.ready_sync(makes=True)).pool
    row = row_of(self, queue, job, on_conflict)
    tell = notices_for(self, row)
    if connection is OWN:
        taken = _pushed(self, pool, row, tell)
    else:
        taken = write_on_sync(self, connection, insert_jobs(self.store, [row], tell, hold=True))
    return reference_of(self, row, taken.get(row.id))


def _pushed(self: Chancy, pool: SyncPool, row: JobRow, tell: list[Notice]) -> dict[str, Holder]:
    patience_ms = None if row.unique_key is None else PATIENCE_MS
    start = time.monotonic()
    try:
        return pool.push(
            insert_jobs(self.store, [row], tell, patience_ms=patience_ms),
            lambda: insert_again(self.store, [row], tell, patience_ms=patience_ms),
        )
    except DatabaseUnavailable as error:
        if row.unique_key is None or not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise
        waited_s = time.monotonic() - start
        by = pool.run(lambda: holders(self.store, waited_s / 2))
        raise key_is_held(row.unique_key, waited_s, by) from error


async def push_many(
    self: Chancy,
    *jobs: str | Pushable | Iterable[Pushable] | AsyncIterable[Pushable],
    connection: Any = OWN,
    on_conflict: OnConflict | None = None,
) -> References:
    """Store many jobs, all or none: `push_many("default", a, b)`, `push_many("default", jobs)`.

    Without a queue's name first, each job goes to its own queue. An iterable may have any
    length: it is read as it is sent, in one transaction.

    Args:
        jobs: a queue's name, if all go to one; then jobs, or one iterable of jobs.
        connection: as for `push`.
        on_conflict: as for `push`, for all of them.

    Returns:
        The handles, in the order of the jobs: a sequence.

    Raises:
        InvalidJob: as `push`; the message says which of the jobs.
        UnknownQueue: as `push`.
        UniqueKeyTaken: as `push`; none of the jobs was stored.
    """
    side = self.opening.here or await self.opening.ready(makes=True)
    patience_ms = MANY_PATIENCE_MS if connection is OWN else None
    bulk = Bulk(self, jobs, patience_ms=patience_ms, on_conflict=on_conflict)
    if connection is OWN and (rows := bulk.few()):
        await side.pusher.push_together(rows)
        return bulk.references()
    async with _transaction(self, side.pool, connection) as own:
        async with OneAtATime() as writing:
            async for chunks in groups(bulk.jobs):
                # While the server takes these jobs, the next ones are read.
                await writing.next(run_found(self, own, bulk.insert(chunks)))
        await run_found(self, own, bulk.end())
    return bulk.references()


def sync_push_many(
    self: Chancy,
    *jobs: str | Pushable | Iterable[Pushable],
    connection: Any = OWN,
    on_conflict: OnConflict | None = None,
) -> References:
    """As `push_many`, for code without asyncio. `connection` must be a sync one."""
    pool = self.opening.ready_sync(makes=True).pool
    patience_ms = MANY_PATIENCE_MS if connection is OWN else None
    bulk = Bulk(self, jobs, patience_ms=patience_ms, on_conflict=on_conflict)
    if isinstance(bulk.jobs, AsyncIterable):
        raise TypeError("sync_push_many cannot read an async iterable: give a plain one, or use push_many.")
    if connection is OWN and (rows := bulk.few()):
        tell = notices_of(rows) if self.settings.notifications else []
        pool.push(insert_together(self.store, rows, tell), lambda: insert_again(self.store, rows, tell))
        return bulk.references()
    with _transaction_sync(self, pool, connection) as own:
        for chunks in groups_sync(bulk.jobs):
            run_found_sync(self, own, bulk.insert(chunks))
        run_found_sync(self, own, bulk.end())
    return bulk.references()


@asynccontextmanager
async def _transaction(self: Chancy, pool: Pool, connection: Any) -> AsyncIterator[Found]:
    """The transaction of a bulk push: one of its own, or a savepoint in the caller's."""
    if connection is not OWN:
        async with savepoint_in(self, await connection_in(connection)) as theirs:
            yield theirs
        return
    try:
        async with pool.transaction(deadline_s=MANY_DEADLINE_S) as own:
            yield own
    except psycopg.Error as error:
        if isinstance(error, psycopg.errors.LockNotAvailable):
            raise _many_held(await pool.run(lambda: holders(self.store, 1))) from error
        raise _many_failed(pool.dsn, error) from error


@contextmanager
def _transaction_sync(self: Chancy, pool: SyncPool, connection: Any) -> Iterator[Sync]:
    if connection is not OWN:
        with savepoint_in_sync(self, sync_connection_in(connection)) as theirs:
            yield theirs
        return
    try:
        with pool.transaction(deadline_s=MANY_DEADLINE_S) as own:
            yield own
    except psycopg.Error as error:
        if isinstance(error, psycopg.errors.LockNotAvailable):
            raise _many_held(pool.run(lambda: holders(self.store, 1))) from error
        raise _many_failed(pool.dsn, error) from error


def _many_held(by: str) -> ChancyError:
    return ChancyError(
        f"push_many waited {MANY_PATIENCE_MS / 1000:g} s for a lock that another transaction has, most likely on the "
        f"unique key of one of its jobs, and none of them was stored. It is one of these: "
        f"{by or 'none that this role may see'}. End it (commit, roll back, or pg_terminate_backend), and push again."
    )


def _many_failed(dsn: str, error: psycopg.Error) -> Exception:
    if fault_of(error) is not Fault.GONE:
        return error
    return DatabaseUnavailable(
        f"The connection to PostgreSQL at {where(dsn)} was lost during push_many: {text_of(error).rstrip('.')}. Unless "
        "that was at its very end, none of the jobs was stored. Give them unique keys to push them again without doubt."
    )
