"""`Worker`: wires the duties, and stops in good order."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any, Final, Self

from chancy_core.app import Chancy
from chancy_core.errors import ConfigError, NotOpen
from chancy_core.executors import ExecutorSettings, StopReason
from chancy_core.executors.functions import Functions
from chancy_core.executors.outcomes import handed_back
from chancy_core.job import Outcome, QueuedJob
from chancy_core.log import log
from chancy_core.queue import Queue
from chancy_core.store.listening import ListeningConnection
from chancy_core.store.session import WITH_PLUGINS, WorkerConnection
from chancy_core.worker.audit import Auditor
from chancy_core.worker.cancel import Canceller
from chancy_core.worker.claim import Claimer
from chancy_core.worker.duty import keep
from chancy_core.worker.finish import Finisher
from chancy_core.worker.heartbeat import Heartbeat, Signs
from chancy_core.worker.lane import Lane
from chancy_core.worker.lease import Lease
from chancy_core.worker.progress import ProgressWriter
from chancy_core.worker.promote import Promoter
from chancy_core.worker.queues import Lanes
from chancy_core.worker.rescue import Rescuer
from chancy_core.worker.room import Room
from chancy_core.worker.standby import Standby
from chancy_core.worker.status import StatusTeller
from chancy_core.worker.tick import Ticker
from chancy_core.worker.watchdog import Watchdog

# Every worker has this tag, so that a queue for all of them can say so.
EVERY_WORKER: Final = "*"
# How long a cancelled job may take to notice; after that it is handed back as it is.
STOP_JOBS_WITHIN_S: Final = 5.0
# How long outcomes may take to be written at the end, should the database be away just then. Jobs whose outcome
# cannot be written are rescued by others once the lease has run out.
WRITE_WITHIN_S: Final = 15.0
# The name of the plugin that removes finished jobs: nothing depends on it, but its absence is worth a word.
PRUNER: Final = "pruner"
KEPT_FOR_EVER: Final = (
    "Finished jobs stay for ever, unless somebody deletes them: pip install chancy-pruner, and leave it enabled."
)
# How long it may take at the end to tell others of the room that was left; they would look by themselves.
TELL_WITHIN_S: Final = 1.0
# How long a transaction behind a pooler may wait for this worker: an eighth of the lease, within these bounds.
IDLE_IN_TRANSACTION_S: Final = (0.25, 60.0)
# Everyone who waits for a job to end hears of it at the same time; one of them can have its place.
ROOM_SPREAD_S: Final = 0.05


class Stopped(IntEnum):
    """How a worker stopped; `chancy worker` exits with it."""

    DRAINED = 0
    """Every job that ran came to its end."""
    HANDED_BACK = 3
    """The grace time was over: jobs were handed back, no attempt spent."""
    AT_ONCE = 4
    """It was told twice: jobs were handed back at once, no attempt spent."""


class Worker:
    """Claims jobs and runs them, until it is told to stop.

    ```python
    async with Chancy() as chancy, Worker(chancy) as worker:
        await worker.wait_for_shutdown()
    ```

    Leaving the block stops it in good order: it claims nothing more, lets running jobs end for up
    to `grace_s`, and hands the rest back without spending an attempt.

    Args:
        chancy: an open `Chancy`.
        name: a readable name; each run adds a suffix of its own. By default host and process id.
        tags: what the tags of queues are matched with. By default every queue with the usual `.*`.
        concurrency: jobs at a time, for queues that do not say.
        lease_s: seconds after which a worker that gives no sign of life counts as lost.
        grace_s: seconds that running jobs may take to end at shutdown.

    What is not given is taken from the settings of `chancy`, table `[worker]`.

    Raises:
        ConfigError: a value out of range.

    Attributes:
        name: the worker's name, unique to this run.
    """

    def __init__(
        self,
        chancy: Chancy,
        *,
        name: str | None = None,
        tags: Iterable[str] | None = None,
        concurrency: int | None = None,
        lease_s: float | None = None,
        grace_s: float | None = None,
    ) -> None:
        defaults = chancy.settings.worker
        self._chancy = chancy
        # A worker started again under its old name is another worker: the jobs of the one before it are rescued.
        base = name or defaults.name or f"{socket.gethostname()}.{os.getpid()}"
        self.name: Final = f"{base}.{os.urandom(3).hex()}"
        self._tags: Final = {EVERY_WORKER, *(defaults.tags if tags is None else tags)}
        self._concurrency: Final = concurrency or defaults.concurrency
        self._lease_s: Final = _checked("lease_s", defaults.lease_s if lease_s is None else lease_s, 0.5)
        self._grace_s: Final = _checked("grace_s", defaults.grace_s if grace_s is None else grace_s, 0)
        self._functions: Final = Functions(chancy.settings.functions)
        self._duties: list[asyncio.Task[None]] = []
        self._connections: list[WorkerConnection] = []
        self._told = asyncio.Event()
        self._told_twice = asyncio.Event()
        self._stopped: Stopped | None = None
        self._open = False

    # -- running ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Register, and begin to claim.

        Raises:
            NotOpen: its `Chancy` is not open, or the worker runs already.
            SchemaError: the schema does not fit this code; says what to run.
            DatabaseUnavailable: nothing answers there.
        """
        if self._open:
            raise NotOpen("This worker runs already; make another Worker for another run.")
        self._chancy.pool  # noqa: B018 -- raises NotOpen
        self._chancy.check_schema()
        for name, fields in self._chancy.settings.queues.items():
            await self._chancy.declare(Queue(name, **fields), upsert=True)
        claims, listening = self._wire()
        sent_at = asyncio.get_running_loop().time()
        try:
            await claims.run(self._chancy.store.register(self.name, sorted(self._tags), self._lease_s))
        except BaseException:
            # The loop watches it, and would keep it for ever.
            await claims.close()
            raise
        self._lease.renewed(sent_at)
        self._standby.renewed(sent_at)
        self._standby.start()
        self._watchdog = Watchdog(self._job_of)
        self._watchdog.start()
        self._open = True
        try:
            await self._chancy.plugins.on_start(self)
            await self._lanes.follow()
        except BaseException:
            await self.stop()
            raise
        self._keep("finish", self._finisher.run)
        self._keep("lease", self._lease.watch)
        self._keep("heartbeat", self._heartbeat.run)
        if self._chancy.plugins.loaded:
            self._keep("status", StatusTeller(self._chancy.plugins, self._heartbeat.say).run)
        self._keep("queues", self._lanes.run)
        self._keep("promote", self._promoter.run)
        self._keep("rescue", self._rescuer.run)
        self._keep("room", self._room.run)
        self._keep("audit", self._auditor.run)
        self._keep("cancel", self._canceller.run)
        self._keep("progress", self._progress.run)
        for plugin in self._chancy.plugins.ticking():
            self._keep(f"tick {plugin.name}", Ticker(self._chancy, plugin, self.name).run)
        if listening is not None:
            self._keep("listen", listening.listen)
        log.info("worker_started", worker=self.name, queues=sorted(self._lanes.lanes))
        if not any(loaded.name == PRUNER for loaded in self._chancy.plugins.loaded):
            log.info("pruner_not_loaded", worker=self.name, hint=KEPT_FOR_EVER)

    async def wait_for_shutdown(self) -> Stopped:
        """Work until the process is told to stop (SIGTERM, Ctrl-C, or `stop`), then stop in good order.

        A second signal stops at once.
        """
        with self._signals():
            await self._told.wait()
            return await self.stop()

    def shut_down(self) -> None:
        """Tell the worker to stop, as a signal does; told twice, it stops at once."""
        if self._told.is_set():
            self._told_twice.set()
        self._told.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return self._lanes.running if self._open else 0

    @property
    def chancy(self) -> Chancy:
        """The application that it works for."""
        return self._chancy

    @property
    def lease_held(self) -> bool:
        """Whether it may believe that its jobs are its own; without, it claims nothing."""
        return self._open and self._lease.is_held

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop, or has stopped."""
        return self._told.is_set()

    def slots(self) -> dict[str, tuple[int, int]]:
        """For each queue that it serves: how many slots are used, and how many there are."""
        if not self._open:
            return {}
        return {name: (lane.running, lane.concurrency) for name, lane in self._lanes.lanes.items()}

    @property
    def rescued(self) -> int:
        """How many jobs it has taken back from lost workers."""
        return sum(self.rescued_by_queue.values())

    @property
    def rescued_by_queue(self) -> dict[str, int]:
        """How many jobs it has taken back from lost workers, for each queue that had any."""
        return dict(self._rescuer.rescued) if self._open else {}

    @property
    def stale(self) -> int:
        """How many outcomes of its own were refused, because someone else owned the run by then."""
        return sum(self.stale_by_queue.values())

    @property
    def stale_by_queue(self) -> dict[str, int]:
        """How many outcomes of its own were refused, for each queue that had any."""
        return dict(self._finisher.stale) if self._open else {}

    # -- stopping --------------------------------------------------------------------------

    async def stop(self) -> Stopped:
        """Stop in good order. Returns how it went; a second call returns the same."""
        if self._stopped is not None or not self._open:
            return self._stopped or Stopped.DRAINED
        self._told.set()
        log.info("worker_stopping", worker=self.name, running=self._lanes.running, grace_s=self._grace_s)
        self._cancel("queues", "promote", "rescue", "audit", "listen", "tick")
        await self._lanes.stop_claiming()
        how = await self._drain()
        await self._write_outcomes()
        await self._leave_room()
        self._stopped = how
        await self._chancy.plugins.on_stop(self)
        await self._resign()
        log.info("worker_stopped", worker=self.name, how=how.name.lower())
        return how

    async def _drain(self) -> Stopped:
        idle = asyncio.ensure_future(self._lanes.idle())
        told_twice = asyncio.ensure_future(self._told_twice.wait())
        await asyncio.wait({idle, told_twice}, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)
        how = Stopped.DRAINED
        if not idle.done():
            how = Stopped.AT_ONCE if told_twice.done() else Stopped.HANDED_BACK
            count = self._lanes.stop_jobs(StopReason.SHUTDOWN)
            log.warning("jobs_handed_back", count=count)
            await asyncio.wait({idle}, timeout=STOP_JOBS_WITHIN_S)
            self._hand_back_the_deaf()
        for waiting in (idle, told_twice):
            waiting.cancel()
        return how

    def _hand_back_the_deaf(self) -> None:
        """Jobs that swallow their cancellation: nobody waits for them any longer."""
        for lane in self._lanes.lanes.values():
            for job in lane.abandon():
                log.error("job_ignores_stop", job=str(job.id), func=job.func)
                self._finisher.put(handed_back(job, StopReason.SHUTDOWN.value))

    async def _write_outcomes(self) -> None:
        try:
            async with asyncio.timeout(WRITE_WITHIN_S):
                await self._finisher.drained()
        except TimeoutError:
            log.error(
                "outcomes_not_written",
                count=self._finisher.waiting,
                hint="The database is out of reach: other workers run these jobs again once the lease is over.",
            )

    async def _leave_room(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(TELL_WITHIN_S):
                await self._room.tell()

    async def _resign(self) -> None:
        for task in self._duties:
            task.cancel()
        await asyncio.gather(*self._duties, return_exceptions=True)
        await self._standby.stop()
        self._watchdog.stop()
        try:
            async with asyncio.timeout(STOP_JOBS_WITHIN_S):
                await self._chancy.pool.run(lambda: self._chancy.store.resign(self.name))
        except Exception as error:  # noqa: BLE001 -- its lease runs out by itself
            log.warning("resign_failed", worker=self.name, error=str(error))
        await self._lanes.close()
        for connection in self._connections:
            await connection.close()
        self._open = False

    # -- wiring ----------------------------------------------------------------------------

    def _connection(self, application_name: str, settings: Mapping[str, str] | None = None) -> WorkerConnection:
        connection = WorkerConnection(
            lambda: self._chancy.dsn,
            application_name=application_name,
            pooler=self._chancy.settings.pooler,
            settings=settings,
        )
        self._connections.append(connection)
        return connection

    def _wire(self) -> tuple[WorkerConnection, ListeningConnection | None]:
        """Make the duties. Returns the connection that they share, and the one that listens, if any does."""
        store = self._chancy.store
        claims, listening = self._claims_and_listening()
        writes = self._connection("chancy finish")
        self._lease = Lease(self._lease_s, self._lost)
        # Plugins take part in claims from limited queues, so those have a connection of their own: no plugin can hold
        # up the other queues.
        limited = self._connection("chancy claim limited", settings=WITH_PLUGINS)
        self._finisher = Finisher(
            store, writes, self._chancy.plugins, self._retry_due, self._sweep, self, self._written
        )
        self._progress = ProgressWriter(store, claims)
        self._lanes = Lanes(
            store,
            claims,
            tags=self._tags,
            concurrency=self._concurrency,
            finisher=self._finisher,
            executor_settings=self._executor_settings,
            claimer=lambda lane: self._claimer(lane, claims, limited),
            enforced=self._chancy.plugins.enforced,
        )
        self._room = Room(store, claims, lambda: self._lanes.globally_limited, self._lanes.make_room)
        self._promoter = Promoter(store, claims, self._hear)
        self._auditor = Auditor(self.name, store, claims, self._known_runs, self._hear)
        self._rescuer = Rescuer(store, claims, self._lease_s, self._hear)
        self._canceller = Canceller(self.name, store, claims, self._lanes.cancel)
        tags = sorted(self._tags)
        self._standby = Standby(
            self.name, tags, store, lambda: self._chancy.dsn, self._lease, pooler=self._chancy.settings.pooler
        )
        self._heartbeat = Heartbeat(
            self.name,
            tags,
            store,
            claims,
            self._lease,
            self._standby,
            queues=lambda: self._lanes.claimed_from,
            busy=lambda: self._lanes.busy,
            found=self._found,
        )
        return claims, listening

    def _claims_and_listening(self) -> tuple[WorkerConnection, ListeningConnection | None]:
        """One connection for whatever an idle worker does; but behind a pooler, LISTEN needs a session of its own."""
        if self._chancy.settings.pooler:
            # Each use is a transaction there. If a job blocks the loop in the middle of a heartbeat, that must not hold
            # the worker's row against the thread which renews the lease instead.
            least_s, most_s = IDLE_IN_TRANSACTION_S
            within_ms = 1000 * min(max(self._lease_s / 8, least_s), most_s)
            claims = self._connection("chancy claim", {"idle_in_transaction_session_timeout": f"{within_ms:.0f}ms"})
            return claims, self._listening("chancy listen") if self._chancy.settings.notifications else None
        if not self._chancy.settings.notifications:
            return self._connection("chancy claim"), None
        connection = self._listening("chancy claim")
        return connection, connection

    def _listening(self, application_name: str) -> ListeningConnection:
        connection = ListeningConnection(
            self._chancy.store.channel,
            self._hear,
            dsn=lambda: self._chancy.dsn,
            application_name=application_name,
            pooler=False,
        )
        self._connections.append(connection)
        return connection

    def _executor_settings(self, concurrency: int) -> ExecutorSettings:
        return ExecutorSettings(
            self.name,
            concurrency,
            self._chancy.settings.result_limit_bytes,
            self._functions,
            self._chancy.plugins.around(),
            self._progress.report,
            self._chancy.settings.payload_limit_bytes,
        )

    def _claimer(self, lane: Lane, connection: WorkerConnection, limited: WorkerConnection) -> Claimer:
        return Claimer(
            self,
            self._chancy.store,
            connection,
            limited,
            lane,
            self._finisher,
            self._lease,
            self._auditor.suspect,
            self._heartbeat.started,
            self._chancy.plugins,
        )

    def _job_of(self, task: asyncio.Task[Any]) -> QueuedJob | None:
        found = (lane.job_of(task) for lane in list(self._lanes.lanes.values()))
        return next((job for job in found if job is not None), None)

    def _known_runs(self) -> set[tuple[uuid.UUID, int]]:
        return self._finisher.known().union(*(lane.known() for lane in self._lanes.lanes.values()))

    def _keep(self, name: str, duty: Callable[[], Awaitable[None]]) -> None:
        self._duties.append(asyncio.create_task(keep(name, duty), name=name))

    def _cancel(self, *names: str) -> None:
        for task in self._duties:
            if task.get_name().partition(" ")[0] in names:
                task.cancel()

    def _written(self, outcomes: Sequence[Outcome]) -> None:
        self._room.ended(outcomes)

    def _retry_due(self, delay_s: float) -> None:
        self._promoter.due_in(delay_s)

    def _sweep(self) -> None:
        self._promoter.ring()

    def _lost(self) -> None:
        count = self._lanes.stop_jobs(StopReason.LEASE_LOST)
        if count:
            log.error(
                "jobs_stopped",
                count=count,
                reason="Their lease was lost: others may run them by now.",
            )

    def _found(self, signs: Signs) -> None:
        """What a heartbeat found: whoever has something to do hears of it."""
        self._lanes.known_as(signs.declarations)
        self._lanes.looked(signs.ready)
        if signs.due_in_s is not None:
            self._promoter.due_in(signs.due_in_s)
        if signs.stopping:
            self._canceller.ring()
        self._rescuer.saw(living=signs.living, expired=signs.expired)

    def _hear(self, payload: str | None) -> None:
        """What a notification, or a duty of this worker, says."""
        if payload is None:
            if not self._open:
                # Everybody looks when the worker starts.
                return
            self._lanes.ring()
            self._promoter.ring()
            self._canceller.ring()
            self._lanes.wake_all()
            return
        what, _, queue = payload.partition(":")
        if what == "ready":
            self._lanes.wake(queue, below_floors=False)
        elif what == "back":
            self._lanes.wake(queue, below_floors=True)
        elif what == "room":
            self._lanes.make_room(queue, within_s=ROOM_SPREAD_S)
        elif what == "due":
            self._promoter.ring()
        elif what == "queues":
            self._lanes.ring()
        elif what == "cancel" and queue == self.name:
            self._canceller.ring()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        installed = []
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self.shut_down)
            except (NotImplementedError, RuntimeError, ValueError):
                # Not the main thread, or not a Unix: whoever runs the worker there stops it with `shut_down`.
                continue
            installed.append(number)
        try:
            yield
        finally:
            for number in installed:
                loop.remove_signal_handler(number)


def _checked(name: str, value: float, low: float) -> float:
    if not isinstance(value, int | float) or not low <= value < float("inf"):
        raise ConfigError(f"{name} is {value!r}: give seconds, at least {low:g}.")
    return value
