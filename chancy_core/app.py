"""`Chancy`: what an application holds."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeVar

import msgspec
import psycopg
import uuid_utils
from psycopg.pq import TransactionStatus

from chancy_core import config, embedded
from chancy_core.config import Settings
from chancy_core.errors import InvalidJob, InvalidQueue, NotOpen, SchemaError
from chancy_core.job import Cancellation, Job, JobFunction, QueuedJob, as_job
from chancy_core.log import log
from chancy_core.plugins import Plugin, PluginHost, check_configured, check_limits
from chancy_core.plugins import load as load_plugins
from chancy_core.pushing import Pusher, payload, payloads
from chancy_core.queue import NOT_BUILT, Executor, Queue, check_resume_at
from chancy_core.reference import Reference, References, missing
from chancy_core.store import Flow, Migration, Pool, Store, SyncPool, run, run_sync
from chancy_core.store.codec import JobRow, job_row
from chancy_core.store.connect import callers_connection, connect, connect_sync
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.migrate import applied, kernel_migrations, migrate, problem
from chancy_core.waiting import Waiter, wait_sync
from chancy_core.workerinfo import WorkerInfo

T = TypeVar("T")
Pushable = Job | JobFunction[..., Any]

# Jobs of a bulk push are encoded and sent so many at a time; that bounds the memory it takes.
CHUNK: Final = 5000
# And encoded so many at a step, which takes about a millisecond.
PART: Final = 500
APPLICATION_NAME: Final = "chancy"
# A reason is read in a list of jobs.
REASON_MAX: Final = 500


class Chancy:
    """A job queue in one schema of one PostgreSQL database.

    ```python
    async with Chancy("postgresql://localhost/app") as chancy:
        reference = await chancy.push(Job.from_func(greet, kwargs={"name": "Alice"}))
    ```

    Use it with `async with`, or with plain `with` in code without asyncio: there the methods whose
    names begin with `sync_` work. One object serves many tasks; open it once a process.

    Args:
        dsn: where the database is. Without one, here, in `CHANCY_DSN` or in the configuration file:
            the embedded PostgreSQL, a private server for development.
        config: the configuration file; by default `chancy.toml` or `pyproject.toml` is looked for.
        plugins: plugins to add to those that are installed.
        settings: any other setting of `[chancy]`, by its name, such as `schema="billing"`.

    Raises:
        ConfigError: a setting that is unknown or out of range.
        PluginError: plugins that cannot be used; every problem of each.
    """

    Executor: ClassVar[type[Executor]] = Executor

    def __init__(
        self,
        dsn: str | None = None,
        *,
        config: str | Path | None = None,
        plugins: Sequence[Plugin] = (),
        **settings: Any,
    ) -> None:
        self.settings: Final[Settings] = _load(config, dsn=dsn, **settings)
        self.store: Final = Store(self.settings.schema, notifications=self.settings.notifications)
        self.plugins: Final = PluginHost(
            load_plugins(
                self.settings.plugins,
                plugins,
                self.settings.plugin_order,
                discover=self.settings.discover,
                source=str(self.settings.file or "the settings"),
            )
        )
        check_configured(self.settings.queues, self.plugins.enforced, self.settings.sources)
        self._server: embedded.EmbeddedServer | None = None
        self._pool: Pool | None = None
        self._sync_pool: SyncPool | None = None
        self._pusher: Pusher | None = None
        self._waiter: Waiter | None = None
        self._problem: SchemaError | None = None
        #: What opening it, or `migrate`, applied last.
        self.migrated: list[Migration] = []
        #: Whose tables `migrate` found that nobody here brings: plugins that were uninstalled or turned off.
        self.left_behind: list[str] = []

    # -- opening and closing ---------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """The database in use. Raises NotOpen before the embedded one has been started."""
        if self.settings.dsn is not None:
            return self.settings.dsn
        if self._server is None:
            raise NotOpen("No DSN was given, and the embedded PostgreSQL starts when Chancy is opened.")
        return self._server.dsn

    async def open(self) -> None:
        """Connect, starting the embedded PostgreSQL if no database is named.

        Raises:
            DatabaseUnavailable: nothing answers there.
            SchemaError: the schema is missing and may not be created.
        """
        if self._pool is not None:
            raise NotOpen("This Chancy is open already.")
        if self.settings.dsn is None and self._server is None:
            self._server = await asyncio.to_thread(embedded.acquire)
        try:
            options = self._connection_options()
            async with await connect(self.dsn, **options) as connection:
                await run(connection, self._set_up())
            pool = Pool(self.dsn, max_size=self.settings.pool_max_size, **options)
            await pool.open()
        except BaseException:
            self._release_server()
            raise
        self._pool = pool
        self._pusher = Pusher(self.store, pool, notifications=self.settings.notifications)
        self._waiter = Waiter(self.store, pool)

    async def close(self) -> None:
        """Write what is still waiting to be written, and disconnect."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            if self._pusher is not None:
                await self._pusher.close()
            if self._waiter is not None:
                await self._waiter.close()
            await pool.close()
        finally:
            self._release_server()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def sync_open(self) -> None:
        """As `open`, for code without asyncio."""
        if self._sync_pool is not None:
            raise NotOpen("This Chancy is open already.")
        if self.settings.dsn is None and self._server is None:
            self._server = embedded.acquire()
        try:
            options = self._connection_options()
            with connect_sync(self.dsn, **options) as connection:
                run_sync(connection, self._set_up())
            pool = SyncPool(self.dsn, max_size=self.settings.pool_max_size, **options)
            pool.open()
        except BaseException:
            self._release_server()
            raise
        self._sync_pool = pool

    def sync_close(self) -> None:
        """Disconnect."""
        pool, self._sync_pool = self._sync_pool, None
        if pool is not None:
            try:
                pool.close()
            finally:
                self._release_server()

    def __enter__(self) -> Self:
        self.sync_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.sync_close()

    @asynccontextmanager
    async def connect(self, *, application_name: str) -> AsyncIterator[AsyncConnection]:
        """A connection of its own to the database, for the length of the block, which closes it.

        For what must not wait for the pool, or keeps a connection for long, such as LISTEN. It has the settings of all
        of Chancy's connections, with the DSN's own before them, and autocommits outside `transaction()`.

        Args:
            application_name: what it is called in `pg_stat_activity`.

        Raises:
            NotOpen: no DSN was given, and the embedded PostgreSQL has not been started.
            DatabaseUnavailable: nothing answers there.
        """
        options = {**self._connection_options(), "application_name": application_name}
        async with await connect(self.dsn, **options) as connection:
            yield connection

    def _connection_options(self) -> dict[str, Any]:
        return {"application_name": APPLICATION_NAME, "pooler": self.settings.pooler}

    def _release_server(self) -> None:
        # The async and the sync side may both be open; the last one out lets the server go.
        if self._pool is None and self._sync_pool is None and self._server is not None:
            server, self._server = self._server, None
            server.close()

    @property
    def pool(self) -> Pool:
        """The application's connections. Raises NotOpen."""
        if self._pool is None:
            raise NotOpen("This Chancy is not open: use it inside `async with Chancy(…) as chancy:`.")
        return self._pool

    @property
    def sync_pool(self) -> SyncPool:
        """The application's connections without asyncio. Raises NotOpen."""
        if self._sync_pool is None:
            raise NotOpen("This Chancy is not open: use it inside `with Chancy(…) as chancy:`.")
        return self._sync_pool

    # -- the schema ------------------------------------------------------------------------

    def migrations(self) -> list[Migration]:
        """What the schema needs, in the order in which it is applied."""
        return [*kernel_migrations(), *self.plugins.migrations()]

    async def migrate(self) -> list[Migration]:
        """Bring the schema up to date: all that is missing, in one transaction.

        Returns:
            What was applied.

        Raises:
            SchemaError: it was made by newer code, may not be created, or is locked by somebody.
        """
        async with self.pool.connection() as connection:
            return await run(connection, self._migrate())

    def sync_migrate(self) -> list[Migration]:
        """As `migrate`, for code without asyncio."""
        with self.sync_pool.connection() as connection:
            return run_sync(connection, self._migrate())

    def check_schema(self) -> None:
        """Raise SchemaError if the schema, when this was opened, did not fit this code."""
        if self._problem is not None:
            raise self._problem

    def _migrate(self) -> Flow[list[Migration]]:
        wanted = self.migrations()
        done = yield from migrate(self.settings.schema, wanted)
        versions = yield from applied(self.settings.schema)
        self._problem = None
        self.migrated = done
        self.left_behind = sorted({*(versions or {})} - {migration.owner for migration in wanted})
        for migration in done:
            log.info("migration_applied", owner=migration.owner, version=migration.version)
        return done

    def _set_up(self) -> Flow[None]:
        versions = yield from applied(self.settings.schema)
        self._problem = problem(self.settings.schema, versions, self.migrations())
        if self._problem is None:
            return
        allowed = self.settings.auto_migrate
        if allowed is None:
            # A schema that is not there can hurt nobody by being made; one that holds jobs is changed when asked.
            allowed = versions is None or self.settings.dsn is None
        if allowed:
            yield from self._migrate()

    # -- push ------------------------------------------------------------------------------

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
        """
        row = self._row(*_named(queue, job))
        if connection is None:
            if self._pusher is None or self._pool is None:
                self.pool  # noqa: B018 -- raises
                raise AssertionError
            holder = await self._pusher.push(row)
        else:
            flow = self.store.insert([row], self._payloads([row]))
            holder = (await _run_on(connection, flow)).get(row.id)
        return self._reference(row, holder)

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
            taken = self.sync_pool.run(
                lambda: self.store.insert([row], tell), lambda: self.store.insert_again([row], tell)
            )
        else:
            taken = run_sync(_sync_connection(connection), self.store.insert([row], tell))
        return self._reference(row, taken.get(row.id))

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
        references = References(self)
        async with self._transaction(connection) as own:
            tell: set[str] = set()
            start = 0
            async with _OneAtATime() as writing:
                async for chunk in _chunks(given):
                    rows: list[JobRow] = []
                    for part in self._rows(queue, chunk, start):
                        rows += part
                        # The loop has other things to do, and the server is to be kept fed.
                        await asyncio.sleep(0)
                    tell.update(self._payloads(rows))
                    start += len(rows)
                    # While the server takes this chunk, the next one is made.
                    await writing.next(self._stored(own, rows, references))
            if tell:
                await _run_on(own, self.store.notify(sorted(tell)))
        return references

    async def _stored(self, connection: Any, rows: list[JobRow], references: References) -> None:
        taken = await _run_on(connection, self.store.insert_many(rows))
        references.extend([row.id for row in rows], taken)

    def sync_push_many(self, *jobs: str | Pushable | Iterable[Pushable], connection: Any = None) -> References:
        """As `push_many`, for code without asyncio. `connection` must be a sync one."""
        queue, given = _spread(jobs)
        if isinstance(given, AsyncIterable):
            raise TypeError("sync_push_many cannot read an async iterable: give a plain one, or use push_many.")
        references = References(self)
        holder = self.sync_pool.connection() if connection is None else nullcontext(_sync_connection(connection))
        with holder as own, _savepoint_sync(own):
            tell: set[str] = set()
            start = 0
            for chunk in _chunks_sync(given):
                rows = [row for part in self._rows(queue, chunk, start) for row in part]
                taken = run_sync(own, self.store.insert_many(rows))
                references.extend([row.id for row in rows], taken)
                tell.update(self._payloads(rows))
                start += len(rows)
            if tell:
                run_sync(own, self.store.notify(sorted(tell)))
        return references

    def _transaction(self, connection: Any) -> AbstractAsyncContextManager[Any]:
        if connection is None:
            return self.pool.transaction()
        return _savepoint(connection)

    def _row(self, queue: str | None, job: Pushable) -> JobRow:
        self.check_schema()
        job = as_job(job)
        if queue is not None:
            job = job.with_queue(queue)
        if self.plugins.has("on_push"):
            (job,) = self.plugins.on_push([job])
        return job_row(job, job.queue, str(uuid_utils.uuid7()), self.settings.payload_limit_bytes)

    def _rows(self, queue: str | None, jobs: Sequence[Pushable], start: int) -> Iterator[list[JobRow]]:
        """The rows of a chunk, some at a time."""
        self.check_schema()
        new_id, limit = uuid_utils.uuid7, self.settings.payload_limit_bytes
        if self.plugins.has("on_push"):
            prepared = [as_job(job) for job in jobs]
            jobs = self.plugins.on_push([job.with_queue(queue) for job in prepared] if queue else prepared)
            queue = None
        for first in range(0, len(jobs), PART):
            rows: list[JobRow] = []
            try:
                for job in jobs[first : first + PART]:
                    if not isinstance(job, Job):
                        job = as_job(job)  # noqa: PLW2901
                    rows.append(job_row(job, queue or job.queue, str(new_id()), limit))
            except InvalidJob as error:
                number = start + first + len(rows)
                raise InvalidJob(f"Job {number} of push_many: {error} None of them was stored.") from None
            yield rows

    def _payloads(self, rows: list[JobRow]) -> list[str]:
        if not self.settings.notifications:
            return []
        if len(rows) == 1:
            text = payload(rows[0])
            return [text] if text else []
        return payloads(rows)

    def _reference(self, row: JobRow, holder: uuid.UUID | None) -> Reference:
        return Reference(holder or row.id, self, created=holder is None)

    # -- jobs ------------------------------------------------------------------------------

    def reference(self, text: str | uuid.UUID) -> Reference:
        """The reference to a job, from its text. Raises InvalidJob if that is no id."""
        return Reference(text, self)

    async def get_job(self, ref: Reference | uuid.UUID | str) -> QueuedJob | None:
        """A job as it stands, live or finished; None if there is no such job."""
        return (await self.get_jobs([ref]))[0]

    async def get_jobs(self, refs: Iterable[Reference | uuid.UUID | str]) -> list[QueuedJob | None]:
        """Jobs as they stand, in the order of `refs`; None where there is no such job."""
        ids = [_identifier(ref) for ref in refs]
        found = await self._run(lambda: self.store.get_jobs(ids))
        return [found.get(id_) for id_ in ids]

    def sync_get_job(self, ref: Reference | uuid.UUID | str) -> QueuedJob | None:
        """As `get_job`, for code without asyncio."""
        return self.sync_get_jobs([ref])[0]

    def sync_get_jobs(self, refs: Iterable[Reference | uuid.UUID | str]) -> list[QueuedJob | None]:
        """As `get_jobs`, for code without asyncio."""
        ids = [_identifier(ref) for ref in refs]
        found = self._run_sync(lambda: self.store.get_jobs(ids))
        return [found.get(id_) for id_ in ids]

    async def wait_for_job(
        self,
        ref: Reference | uuid.UUID | str,
        *,
        timeout: float | None = None,
    ) -> QueuedJob:
        """The finished job. As `Reference.wait`."""
        self.check_schema()
        if self._waiter is None or self._pool is None:
            raise NotOpen("This Chancy is not open: use it inside `async with Chancy(…) as chancy:`.")
        return await self._waiter.wait(_identifier(ref), timeout)

    async def wait_for_jobs(
        self,
        refs: Iterable[Reference | uuid.UUID | str],
        *,
        timeout: float | None = None,
    ) -> list[QueuedJob]:
        """The finished jobs, in the order of `refs`, once all have finished. As `wait_for_job`."""
        waits = [asyncio.ensure_future(self.wait_for_job(ref, timeout=timeout)) for ref in refs]
        try:
            return list(await asyncio.gather(*waits))
        finally:
            for wait in waits:
                wait.cancel()

    def sync_wait_for_job(self, ref: Reference | uuid.UUID | str, *, timeout: float | None = None) -> QueuedJob:
        """As `wait_for_job`, for code without asyncio."""
        self.check_schema()
        return wait_sync(self.store, self.sync_pool, _identifier(ref), timeout)

    # -- queues ----------------------------------------------------------------------------

    async def cancel_job(self, ref: Reference | uuid.UUID | str, *, reason: str | None = None) -> Cancellation:
        """Cancel a job: at once if it does not run; if it runs, its worker is told to stop it.

        A coroutine is cancelled, a child process told and then killed; a function in a thread stops at its next
        `checkpoint()`, if it has any, and is `running` until then.

        Args:
            ref: the job.
            reason: a few words, kept as its note.

        Returns:
            Which of that happened.

        Raises:
            JobNotFound: there is no such job.
        """
        return _one(ref, await self._run(lambda: self.store.cancel([_identifier(ref)], _reason(reason))))

    async def cancel_jobs(
        self, refs: Iterable[Reference | uuid.UUID | str], *, reason: str | None = None
    ) -> list[Cancellation | None]:
        """As `cancel_job`, for many: what came of each, in their order; None for one that does not exist."""
        ids = [_identifier(ref) for ref in refs]
        found = await self._run(lambda: self.store.cancel(ids, _reason(reason)))
        return [found.get(id_) for id_ in ids]

    async def retry_jobs(self, refs: Iterable[Reference | uuid.UUID | str]) -> list[Reference]:
        """Bring finished jobs back, whatever their outcome was: they run again, and keep their errors so far.

        Their attempts count from the beginning again, and their expiry is forgotten.

        Returns:
            Those that came back. The others do not exist, have not finished, or have a unique key that another job
            holds by now.
        """
        ids = [_identifier(ref) for ref in refs]
        return [self.reference(id_) for id_ in await self._run(lambda: self.store.retry(ids))]

    def sync_cancel_job(self, ref: Reference | uuid.UUID | str, *, reason: str | None = None) -> Cancellation:
        """As `cancel_job`, for code without asyncio."""
        return _one(ref, self._run_sync(lambda: self.store.cancel([_identifier(ref)], _reason(reason))))

    def sync_cancel_jobs(
        self, refs: Iterable[Reference | uuid.UUID | str], *, reason: str | None = None
    ) -> list[Cancellation | None]:
        """As `cancel_jobs`, for code without asyncio."""
        ids = [_identifier(ref) for ref in refs]
        found = self._run_sync(lambda: self.store.cancel(ids, _reason(reason)))
        return [found.get(id_) for id_ in ids]

    def sync_retry_jobs(self, refs: Iterable[Reference | uuid.UUID | str]) -> list[Reference]:
        """As `retry_jobs`, for code without asyncio."""
        ids = [_identifier(ref) for ref in refs]
        return [self.reference(id_) for id_ in self._run_sync(lambda: self.store.retry(ids))]

    async def declare(self, queue: Queue, *, upsert: bool = False) -> Queue:
        """Declare a queue, so that it can be pushed to.

        Running workers see it within seconds.

        Args:
            queue: its name, and how its jobs are run.
            upsert: change an existing queue to this declaration; otherwise it is left as it is.

        Returns:
            The queue as it now stands.

        Raises:
            InvalidQueue: it has a limit that no plugin here enforces, and what to install; or an executor that is not
                there yet.
        """
        self._check_queue(queue)
        return await self._run(lambda: self.store.declare(queue, upsert=upsert))

    async def get_queue(self, name: str) -> Queue:
        """A declared queue. Raises UnknownQueue."""
        return await self._run(lambda: self.store.get_queue(name))

    async def get_all_queues(self) -> list[Queue]:
        """Every declared queue, by name."""
        return await self._run(self.store.get_queues)

    async def pause_queue(self, name: str, *, resume_at: datetime | None = None) -> None:
        """Stop claiming from a queue, everywhere. Pushes go on; running jobs end.

        Args:
            name: the queue.
            resume_at: when it resumes by itself, with a time zone; None: when somebody resumes it.

        Raises:
            UnknownQueue: nobody declared it.
            InvalidQueue: `resume_at` has no time zone.
        """
        if resume_at is not None:
            check_resume_at(name, resume_at)
        await self._run(lambda: self.store.set_queue_state(name, Queue.State.PAUSED, resume_at))

    async def resume_queue(self, name: str) -> None:
        """Claim from a paused queue again. Raises UnknownQueue."""
        await self._run(lambda: self.store.set_queue_state(name, Queue.State.ACTIVE, None))

    async def delete_queue(self, name: str, *, purge_jobs: bool = True) -> int:
        """Forget a queue, and cancel those of its jobs that are not running.

        Args:
            name: the queue; not `default`.
            purge_jobs: False leaves the jobs stored; they run once the queue is declared again.

        Returns:
            How many jobs were cancelled, or were left behind.

        Raises:
            UnknownQueue: nobody declared it.
            InvalidQueue: it is the default queue.
        """
        return await self._run(lambda: self.store.delete_queue(name, purge_jobs=purge_jobs))

    async def count_jobs(self) -> dict[str, dict[str, int]]:
        """How many live jobs each queue has, by state: `{"default": {"pending": 3}}`. Reads all of them."""
        return await self._run(self.store.count_live)

    def sync_count_jobs(self) -> dict[str, dict[str, int]]:
        """As `count_jobs`, for code without asyncio."""
        return self._run_sync(self.store.count_live)

    async def get_workers(self) -> list[WorkerInfo]:
        """The workers of this schema by name, lost ones until they are forgotten; with how their plugins do."""
        return await self._run(self.store.get_workers)

    def sync_get_workers(self) -> list[WorkerInfo]:
        """As `get_workers`, for code without asyncio."""
        return self._run_sync(self.store.get_workers)

    def sync_declare(self, queue: Queue, *, upsert: bool = False) -> Queue:
        """As `declare`, for code without asyncio."""
        self._check_queue(queue)
        return self._run_sync(lambda: self.store.declare(queue, upsert=upsert))

    def sync_get_queue(self, name: str) -> Queue:
        """As `get_queue`, for code without asyncio."""
        return self._run_sync(lambda: self.store.get_queue(name))

    def sync_get_all_queues(self) -> list[Queue]:
        """As `get_all_queues`, for code without asyncio."""
        return self._run_sync(self.store.get_queues)

    def sync_pause_queue(self, name: str, *, resume_at: datetime | None = None) -> None:
        """As `pause_queue`, for code without asyncio."""
        if resume_at is not None:
            check_resume_at(name, resume_at)
        self._run_sync(lambda: self.store.set_queue_state(name, Queue.State.PAUSED, resume_at))

    def sync_resume_queue(self, name: str) -> None:
        """As `resume_queue`, for code without asyncio."""
        self._run_sync(lambda: self.store.set_queue_state(name, Queue.State.ACTIVE, None))

    def sync_delete_queue(self, name: str, *, purge_jobs: bool = True) -> int:
        """As `delete_queue`, for code without asyncio."""
        return self._run_sync(lambda: self.store.delete_queue(name, purge_jobs=purge_jobs))

    def _check_queue(self, queue: object) -> None:
        if not isinstance(queue, Queue):
            raise InvalidQueue(f"declare({queue!r}): give a Queue, as in declare(Queue('mail')).")
        if queue.executor == Executor.SubInterpreter:
            raise InvalidQueue(f"Queue {queue.name!r}: {NOT_BUILT}")
        check_limits(queue, self.plugins.enforced)

    async def _run(self, flow: Callable[[], Flow[T]]) -> T:
        self.check_schema()
        return await self.pool.run(flow)

    def _run_sync(self, flow: Callable[[], Flow[T]]) -> T:
        self.check_schema()
        return self.sync_pool.run(flow)


def _load(path: str | Path | None, **settings: Any) -> Settings:
    loaded = config.load(path, **settings)
    if loaded.pooler and loaded.notifications and loaded.sources.get("notifications", "default") == "default":
        # LISTEN belongs to a session, which a transaction pooler does not keep.
        loaded = msgspec.structs.replace(loaded, notifications=False)
    return loaded


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
        queue, rest = jobs[0], jobs[1:]
    if len(rest) == 1 and not isinstance(rest[0], Job) and not hasattr(rest[0], "job"):
        rest = rest[0]
    if not isinstance(rest, Iterable | AsyncIterable) or isinstance(rest, str):
        as_job(rest)
    return queue, rest


async def _chunks(
    jobs: Iterable[Pushable] | AsyncIterable[Pushable],
) -> AsyncIterator[list[Pushable]]:
    if isinstance(jobs, AsyncIterable):
        chunk: list[Pushable] = []
        async for job in jobs:
            chunk.append(job)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
        return
    for chunk in _chunks_sync(jobs):
        yield chunk


def _chunks_sync(jobs: Iterable[Pushable]) -> Iterator[list[Pushable]]:
    iterator = iter(jobs)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


class _OneAtATime:
    """Runs one coroutine at a time in the background; none is left running at the block's end."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def next(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the one before it, and start this one. Raises what the one before it raised."""
        before, self._task = self._task, None
        try:
            if before is not None:
                await before
        except BaseException:
            work.close()
            raise
        self._task = asyncio.create_task(work)
        # So that it begins before its caller goes on computing.
        await asyncio.sleep(0)

    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if self._task is None:
            return
        if kind is None:
            await self._task
        else:
            self._task.cancel()
            await asyncio.wait([self._task])


async def _run_on(connection: Any, flow: Flow[T]) -> T:
    """Run a flow on a caller's connection or cursor, whichever kind it is."""
    found = callers_connection(connection)
    if isinstance(found, psycopg.AsyncConnection):
        return await run(found, flow)
    return run_sync(found, flow)


def _sync_connection(connection: Any) -> psycopg.Connection[Any]:
    found = callers_connection(connection)
    if isinstance(found, psycopg.AsyncConnection):
        raise TypeError("connection is an async one: use the method without sync_, or give a sync connection.")
    return found


@asynccontextmanager
async def _savepoint(connection: Any) -> AsyncIterator[AsyncConnection | psycopg.Connection[Any]]:
    """A savepoint in the caller's transaction, so that a push that fails leaves nothing behind in it."""
    found = callers_connection(connection)
    if isinstance(found, psycopg.AsyncConnection):
        if _has_yet_to_begin(found):
            await found.execute(b"SELECT")
        async with found.transaction():
            yield found
    else:
        with _savepoint_sync(found):
            yield found


@contextmanager
def _savepoint_sync(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """As `_savepoint`."""
    if _has_yet_to_begin(connection):
        connection.execute(b"SELECT")
    with connection.transaction():
        yield


def _has_yet_to_begin(connection: AsyncConnection | psycopg.Connection[Any]) -> bool:
    """Whether its first statement would begin the caller's transaction; psycopg's `transaction()` would commit it."""
    return not connection.autocommit and connection.info.transaction_status is TransactionStatus.IDLE


def _one(ref: Reference | uuid.UUID | str, found: dict[uuid.UUID, Cancellation]) -> Cancellation:
    identifier = _identifier(ref)
    if identifier not in found:
        raise missing(identifier)
    return found[identifier]


def _reason(reason: str | None) -> str:
    if reason is None:
        return "Cancelled on request."
    if not isinstance(reason, str) or not reason or "\x00" in reason:
        raise InvalidJob(f"reason is {reason!r:.60}: give a few words, or None.")
    return reason[:REASON_MAX]


def _identifier(ref: Reference | uuid.UUID | str) -> uuid.UUID:
    return ref.identifier if isinstance(ref, Reference) else Reference(ref).identifier
