"""A worker on the connection of a test: it claims, records and promotes by the statements of a worker, when it is told.

It has no duties of its own, no lease to lose and nothing to wait for. Who runs the jobs, and when, is not decided here.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.errors import CannotRun
from chancy_core.executors import Report
from chancy_core.plugins import Tick
from chancy_core.store import Flow, run
from chancy_core.store.arrays import unquoted_array
from chancy_core.store.ends import listen, take_ended
from chancy_core.store.flow import AsyncConnection, Query
from chancy_core.store.queues import check_queues, get_queues
from chancy_core.store.session import WorkerConnection
from chancy_core.store.statements import statement
from chancy_core.store.telling import telling
from chancy_core.store.workers import Registration, register_worker, resign_worker
from chancy_core.testing.clock import Clock
from chancy_core.testing.sole import Sole
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Outcome, QueuedJob
from chancy_core.worker import Worker
from chancy_core.worker.claim import CLAIM_MAX_BYTES
from chancy_core.worker.claimed import read_rows
from chancy_core.worker.deciding import Policy, decide
from chancy_core.worker.floors import EVERYTHING, Ranges
from chancy_core.worker.record import Recorded, Recorder

if TYPE_CHECKING:
    from chancy_core.app import Chancy

_SQL: Final = "chancy_core.testing.sql"
# The clock may be moved by years while it has its lease.
LEASE_S: Final = 3600.0
# How many ends a plugin is told at a time, and how many jobs are promoted.
BATCH: Final = 500


class BenchConnection(WorkerConnection):
    """What the parts of a worker take for a connection of theirs: the one of the test."""

    def __init__(self, sole: Sole, dsn: str) -> None:
        super().__init__(lambda: dsn, application_name="chancy test", pooler=False)
        self._sole: Final = sole

    async def run(self, flow: Flow[Any]) -> Any:
        """As `WorkerConnection.run`."""
        return await self._sole.ask(lambda: flow)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """As `WorkerConnection.transaction`: a savepoint."""
        async with self._sole.connection() as connection, connection.transaction():
            yield connection


class Bench:
    """What a worker does, step by step.

    Args:
        chancy: whose jobs these are.
        sole: the connection of the test.

    Attributes:
        worker: the worker, as plugins see it. It has not been started.
        policy: what becomes of a run that failed.
        clock: what time it is.
    """

    def __init__(self, chancy: Chancy, sole: Sole) -> None:
        self._chancy: Final = chancy
        self._sole: Final = sole
        self.worker: Final = Worker(chancy, name="test")
        self.policy: Final = Policy(
            self.worker.name, chancy.settings.worker.unrunnable_for_s, chancy.plugins.on_failure
        )
        self.clock: Final = Clock()
        self._recorder: Final = Recorder(
            chancy.store, BenchConnection(sole, chancy.dsn), chancy.plugins, self.worker.name
        )
        #: The functions that could not be run here, which are left alone.
        self.unable: Final[set[str]] = set()

    @property
    def failures(self) -> Counter[tuple[str, str]]:
        """How often hooks of plugins have failed, each by its plugin and its name."""
        return self._chancy.plugins.failures

    def last_error(self, plugin: str) -> str:
        """What a plugin raised last."""
        return self._chancy.plugins.last_error.get(plugin, "")

    # -- its life --------------------------------------------------------------------------

    async def start(self) -> None:
        """Set the clock, and be known as a worker that has the plugins."""
        async with self._sole.connection() as connection:
            await self.clock.start(connection)
            await self._register(connection)
            if listening := self._chancy.plugins.listening:
                await run(connection, listen(self._chancy.store, listening))

    async def stop(self) -> None:
        """Be forgotten. A transaction that has failed is the test's to roll back, and this with it."""
        async with self._sole.connection() as connection:
            if connection.info.transaction_status is TransactionStatus.INERROR:
                return
            await run(connection, resign_worker(self._chancy.store, self.worker.name))
            await self.clock.stop(connection)

    async def move_clock(self, moment: datetime) -> None:
        """It is later now."""
        async with self._sole.connection() as connection:
            await self.clock.set(connection, moment)
            # Its lease is of the time before.
            await self._register(connection)

    async def _register(self, connection: AsyncConnection) -> None:
        await run(connection, register_worker(self._chancy.store, Registration(self.worker.name, ["*"]), LEASE_S))

    async def check_queue(self, name: str) -> None:
        """Raise UnknownQueue, with the nearest name, unless it is declared."""
        await self._sole.ask(lambda: check_queues(self._chancy.store, [name]))

    # -- claiming --------------------------------------------------------------------------

    async def pending(self, only: str | None) -> list[Queue]:
        """The queues that have jobs to be claimed; or that one, if it has."""
        names = [name for (name,) in await self._ask("find_pending") if only in (None, name)]
        return await self._sole.ask(lambda: get_queues(self._chancy.store, names)) if names else []

    async def claim(
        self, queue: Queue, wanted: int, ranges: Ranges = EVERYTHING
    ) -> tuple[list[QueuedJob], float | None]:
        """Claim jobs, and in how many seconds more may be claimed, if a limit of the queue has it so."""
        rows: list[Any] = []
        again_in_s: float | None = None
        with suppress(psycopg.Rollback):
            async with self._sole.connection() as connection, connection.transaction():
                if not queue.limited_by:
                    rows = await run(connection, self._claim_flow(queue.name, wanted, ranges))
                else:
                    grant = await self._chancy.plugins.claim_budget(queue, wanted, connection)
                    again_in_s = grant.again_in_s
                    if grant.roll_back:
                        raise psycopg.Rollback
                    if grant.count:
                        rows = await run(connection, self._claim_flow(queue.name, grant.count, ranges))
                    if rows and not await self._chancy.plugins.tell_taken(grant, len(rows), connection):
                        rows = []
                        raise psycopg.Rollback
        jobs = await self._readable(rows)
        if jobs and self._chancy.plugins.has("on_claim"):
            jobs = self._chancy.plugins.on_claim(jobs, self.worker)
        return jobs, again_in_s

    def _claim_flow(self, queue: str, wanted: int, ranges: Ranges) -> Flow[list[Any]]:
        return (
            yield self._chancy.store.query(
                "claim_jobs",
                queue=queue,
                worker=self.worker.name,
                limit=wanted,
                bytes=CLAIM_MAX_BYTES,
                low=unquoted_array(ranges.low),
                high=unquoted_array(ranges.high),
                floor=unquoted_array(ranges.floor),
                refused=unquoted_array(()),
                unable=sorted(self.unable) or None,
            )
        )

    async def _readable(self, rows: list[Any]) -> list[QueuedJob]:
        found, _ = await read_rows(rows)
        refused = [
            decide(job, Report.not_begun(CannotRun(problem)), None, self.policy)
            for job, problem in found
            if problem is not None
        ]
        if refused:
            await self.record(refused)
        return [job for job, problem in found if problem is None]

    # -- recording -------------------------------------------------------------------------

    async def record(self, outcomes: Sequence[Outcome]) -> Recorded:
        """Record how runs ended; plugins hear of it in the same savepoint."""
        recorded = await self._recorder.write(outcomes, doubtful=(), skip_locked=False)
        if recorded.written and self._chancy.plugins.has("on_recorded"):
            self._chancy.plugins.on_recorded(tuple(recorded.written), self.worker)
        return recorded

    # -- what happens by itself ------------------------------------------------------------

    async def look_after(self) -> bool:
        """Sweep, promote, and tell plugins what they have not heard; whether anything has changed by it."""
        store = self._chancy.store
        swept = await self._sole.ask(lambda: _rows(store.query("sweep_jobs", limit=BATCH)))
        promoted = await self._sole.ask(lambda: _rows(store.query("promote_jobs", limit=BATCH)))
        told = [await self._tell(plugin) for plugin in self._chancy.plugins.listening]
        return bool(swept or promoted or any(told))

    async def _tell(self, plugin: str) -> bool:
        """Tell a plugin what it has not heard; whether it heard anything."""
        async with self._sole.connection() as connection:
            with suppress(psycopg.Rollback):
                async with connection.transaction():
                    taken = await run(connection, take_ended(self._chancy.store, plugin, BATCH))
                    if not taken:
                        return False
                    async with telling(connection) as now:
                        if await self._chancy.plugins.on_end([one.ended for one in taken], now, [plugin]):
                            raise psycopg.Rollback
                    return True
        return False

    async def tick(self) -> None:
        """Let those plugins tick that want to in a test."""
        chancy = self._chancy
        for plugin in chancy.plugins.ticking():
            if plugin.ticks_in_tests:
                tick = Tick(
                    self.clock.now,
                    # What a leader tidies up is not of the test.
                    False,
                    self.worker.name,
                    chancy.settings.schema,
                    chancy.push,
                    chancy.push_many,
                    self._sole.connection,
                )
                await chancy.plugins.on_tick(plugin, tick)

    async def next_moment(self) -> datetime | None:
        """The next moment at which something changes by itself."""
        ((moment,),) = await self._ask("find_next_moment", after=self.clock.now)
        return moment if isinstance(moment, datetime) else None

    async def job(self, id_: uuid.UUID) -> QueuedJob | None:
        """A job as it stands."""
        return await self._chancy.get_job(id_)

    async def _ask(self, name: str, **params: Any) -> list[Any]:
        return await self._sole.ask(lambda: _rows(Query(statement(name, self._chancy.settings.schema, _SQL), params)))


def _rows(query: Query) -> Flow[list[Any]]:
    return (yield query)
