"""Store jobs: one, or many at once."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg

from chancy_core.app.callers import run_on, run_on_sync, savepoint, savepoint_sync, sync_connection
from chancy_core.app.held import key_is_held
from chancy_core.app.jobs import Jobs
from chancy_core.app.reading import OneAtATime, Pushable, groups, groups_sync
from chancy_core.app.reference import Reference, References
from chancy_core.errors import ChancyError, DatabaseUnavailable, InvalidJob
from chancy_core.store.connect import where
from chancy_core.store.ids import new_id
from chancy_core.store.jobrows import JobRow, job_row
from chancy_core.store.lines import Lines
from chancy_core.store.notices import payload, payloads
from chancy_core.store.pushes import holders, insert_again, insert_jobs, insert_many
from chancy_core.store.weather import Fault, fault_of, text_of
from chancy_core.values.decorating import as_job
from chancy_core.values.job import Job

# Encoding what is smaller takes no time.
LARGE: Final = 4096
# How long the push of a thread waits for a transaction that is about to take its unique key, before it begins anew:
# less than a connection may be silent. And how long a bulk push does, which cannot begin anew.
PATIENCE_MS: Final = 5_000
MANY_PATIENCE_MS: Final = 10_000
MANY_DEADLINE_S: Final = 12.0


class Pushes(Jobs):
    """How jobs come into the database."""

    async def push(
        self,
        queue: str | Pushable | None = None,
        job: Pushable | None = None,
        *,
        connection: Any = None,
    ) -> Reference:
        """Store a job: `push("default", job)`, or `push(job)` to the job's own queue.

        Returns after the commit. Pushes that run at the same time are written together.

        Args:
            queue: the queue, instead of the job's own.
            job: a `Job`, or a function decorated with `@job`.
            connection: a psycopg connection or cursor, async or sync, of your own. The job is
                written in its transaction, and exists if and only if that commits.

        Returns:
            The handle of the job. Its `created` is False if the job's unique key was taken; then it
            is the handle of the job that holds the key.

        Raises:
            InvalidJob: it cannot be stored as it is; nothing was written.
            UnknownQueue: nobody declared the queue; nothing was written.
            DatabaseUnavailable: the database was out of reach for longer than it was tried; whether the job was
                stored is then not known.
            ChancyError: a transaction that has not ended holds the job's unique key, and has for long.
        """
        if connection is not None:
            row = self._row(*_named(queue, job))
            flow = insert_jobs(self.store, [row], self._payloads([row]))
            return self._reference(row, (await run_on(connection, flow)).get(row.id))
        side = self._here
        if side.turns.used_up():
            await side.turns.mine()
        row = self._row(*_named(queue, job))
        if row.kwargs is not None and len(row.kwargs) > LARGE:
            side.turns.encoded(row)
        return self._reference(row, await side.pusher.push(row))

    def sync_push(
        self,
        queue: str | Pushable | None = None,
        job: Pushable | None = None,
        *,
        connection: Any = None,
    ) -> Reference:
        """As `push`, for code without asyncio. `connection` must be a sync one."""
        row = self._row(*_named(queue, job))
        tell = self._payloads([row])
        if connection is None:
            taken = self._pushed(row, tell)
        else:
            taken = run_on_sync(sync_connection(connection), insert_jobs(self.store, [row], tell))
        return self._reference(row, taken.get(row.id))

    def _pushed(self, row: JobRow, tell: list[str]) -> dict[str, uuid.UUID]:
        patience_ms = None if row.unique_key is None else PATIENCE_MS
        start = time.monotonic()
        try:
            return self.sync_pool.push(
                insert_jobs(self.store, [row], tell, patience_ms=patience_ms),
                lambda: insert_again(self.store, [row], tell, patience_ms=patience_ms),
            )
        except DatabaseUnavailable as error:
            if row.unique_key is None or not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                raise
            waited_s = time.monotonic() - start
            by = self.sync_pool.run(lambda: holders(self.store, waited_s / 2))
            raise key_is_held(row.unique_key, waited_s, by) from error

    async def push_many(
        self,
        *jobs: str | Pushable | Iterable[Pushable] | AsyncIterable[Pushable],
        connection: Any = None,
    ) -> References:
        """Store many jobs, all or none: `push_many("default", a, b)`, `push_many("default", jobs)`.

        Without a queue's name first, each job goes to its own queue. An iterable may have any
        length: it is read as it is sent, in one transaction.

        Args:
            jobs: a queue's name, if all go to one; then jobs, or one iterable of jobs.
            connection: as for `push`.

        Returns:
            The handles, in the order of the jobs: a sequence.

        Raises:
            InvalidJob: as `push`; the message says which of the jobs.
            UnknownQueue: as `push`.
        """
        queue, given = _spread(jobs)
        lines = self._lines(queue)
        declared: set[str] = set()
        taken: dict[str, uuid.UUID] = {}
        patience_ms = MANY_PATIENCE_MS if connection is None else None
        async with self._transaction(connection) as own:
            async with OneAtATime() as writing:
                async for chunks in groups(given):
                    flow = insert_many(self.store, lines, chunks, declared, taken, patience_ms=patience_ms)
                    # While the server takes these jobs, the next ones are read.
                    await writing.next(run_on(own, flow))
            await run_on(own, self.store.notify(sorted(lines.payloads)))
        return References(self, lines.runs, taken)

    def sync_push_many(self, *jobs: str | Pushable | Iterable[Pushable], connection: Any = None) -> References:
        """As `push_many`, for code without asyncio. `connection` must be a sync one."""
        queue, given = _spread(jobs)
        if isinstance(given, AsyncIterable):
            raise TypeError("sync_push_many cannot read an async iterable: give a plain one, or use push_many.")
        lines = self._lines(queue)
        declared: set[str] = set()
        taken: dict[str, uuid.UUID] = {}
        patience_ms = MANY_PATIENCE_MS if connection is None else None
        with self._transaction_sync(connection) as own:
            for chunks in groups_sync(given):
                run_on_sync(own, insert_many(self.store, lines, chunks, declared, taken, patience_ms=patience_ms))
            run_on_sync(own, self.store.notify(sorted(lines.payloads)))
        return References(self, lines.runs, taken)

    @asynccontextmanager
    async def _transaction(self, connection: Any) -> AsyncIterator[Any]:
        """The transaction of a bulk push: one of its own, or a savepoint in the caller's."""
        if connection is not None:
            async with savepoint(connection) as theirs:
                yield theirs
            return
        pool = self.pool
        try:
            async with pool.transaction(deadline_s=MANY_DEADLINE_S) as own:
                yield own
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.LockNotAvailable):
                raise _many_held(await pool.run(lambda: holders(self.store, 1))) from error
            raise _many_failed(pool.dsn, error) from error

    @contextmanager
    def _transaction_sync(self, connection: Any) -> Iterator[Any]:
        if connection is not None:
            theirs = sync_connection(connection)
            with savepoint_sync(theirs):
                yield theirs
            return
        pool = self.sync_pool
        try:
            with pool.transaction(deadline_s=MANY_DEADLINE_S) as own:
                yield own
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.LockNotAvailable):
                raise _many_held(pool.run(lambda: holders(self.store, 1))) from error
            raise _many_failed(pool.dsn, error) from error

    def _row(self, queue: str | None, job: Pushable) -> JobRow:
        self.check_schema()
        job = as_job(job)
        if queue is not None:
            job = job.with_queue(queue)
        if self.plugins.has("on_push"):
            (job,) = self.plugins.on_push([job])
        return job_row(job, job.queue, new_id(), self.settings.payload_limit_bytes)

    def _lines(self, queue: str | None) -> Lines:
        self.check_schema()
        limit = self.settings.payload_limit_bytes
        if not self.plugins.has("on_push"):
            return Lines(queue, limit)

        def prepare(jobs: list[Job]) -> list[Job]:
            return self.plugins.on_push([job.with_queue(queue) for job in jobs] if queue else jobs)

        return Lines(None, limit, prepare)

    def _payloads(self, rows: list[JobRow]) -> list[str]:
        if not self.settings.notifications:
            return []
        if len(rows) == 1:
            text = payload(rows[0])
            return [text] if text else []
        return payloads(rows)

    def _reference(self, row: JobRow, holder: uuid.UUID | None) -> Reference:
        return Reference(holder or row.id, self, created=holder is None)


def _named(queue: str | Pushable | None, job: Pushable | None) -> tuple[str | None, Pushable]:
    if job is None:
        if queue is None or isinstance(queue, str):
            raise InvalidJob(f"push({queue!r}) names no job: push(job), or push('queue', job).")
        return None, queue
    if queue is not None and not isinstance(queue, str):
        raise InvalidJob(f"push({queue!r}, …): the queue's name comes first, then the job.")
    return queue, job


def _spread(
    jobs: Sequence[str | Pushable | Iterable[Pushable] | AsyncIterable[Pushable]],
) -> tuple[str | None, Iterable[Pushable] | AsyncIterable[Pushable]]:
    """The queue's name, if it comes first, and the jobs, given one by one or as one iterable."""
    queue: str | None = None
    rest: Any = jobs
    if jobs and isinstance(jobs[0], str):
        # Not the member of an enumeration, which prints itself as something else.
        queue, rest = str.__str__(jobs[0]), jobs[1:]
    if len(rest) == 1 and not isinstance(rest[0], Job) and not hasattr(rest[0], "job"):
        rest = rest[0]
    if not isinstance(rest, Iterable | AsyncIterable) or isinstance(rest, str):
        as_job(rest)
    return queue, rest


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
