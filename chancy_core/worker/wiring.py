"""Wiring: the parts of one worker, made and connected with each other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from chancy_core.app import Chancy
from chancy_core.executors import ExecutorSettings, StopReason
from chancy_core.executors.functions import Functions
from chancy_core.log import log
from chancy_core.store.listening import ListeningConnection
from chancy_core.store.session import WITH_PLUGINS, WorkerConnection
from chancy_core.store.weather import deadline_s
from chancy_core.store.workers import Registration
from chancy_core.values.queuedjob import Outcome, QueuedJob
from chancy_core.worker import record
from chancy_core.worker.audit import Auditor
from chancy_core.worker.cancel import Canceller
from chancy_core.worker.claim import CLAIM_MAX_BYTES, Claimer
from chancy_core.worker.claimers import Claimers
from chancy_core.worker.deciding import Policy
from chancy_core.worker.deliver import Deliverer
from chancy_core.worker.finish import Finisher
from chancy_core.worker.hearing import Hearing
from chancy_core.worker.heartbeat import Heartbeat
from chancy_core.worker.joint import JointClaims
from chancy_core.worker.lane import Lane
from chancy_core.worker.lease import Lease
from chancy_core.worker.places import FreedPlaces
from chancy_core.worker.progress import ProgressWriter
from chancy_core.worker.promote import Promoter
from chancy_core.worker.queues import Lanes
from chancy_core.worker.reporting import report_failure, report_recorded
from chancy_core.worker.rescue import Rescuer
from chancy_core.worker.standby import Standby
from chancy_core.worker.status import StatusTeller
from chancy_core.worker.tick import Ticker
from chancy_core.worker.vitals import Vitals
from chancy_core.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from chancy_core.worker.worker import Worker

# How long a transaction behind a pooler may wait for this worker: an eighth of the lease, within these bounds.
IDLE_IN_TRANSACTION_S: Final = (0.25, 60.0)


class Parts:
    """The parts of one worker. None of them runs yet.

    Args:
        worker: the worker.
        chancy: the application that it works for.
        registration: its name, its tags, and the queues that it was told to serve.
        concurrency: jobs at a time, for queues that do not say.
        lease_s: how long its lease is.
        functions: finds the functions of jobs.
        give_up: called when the worker can do nothing any more, with the reason.
    """

    def __init__(
        self,
        worker: Worker,
        chancy: Chancy,
        *,
        registration: Registration,
        concurrency: int,
        lease_s: float,
        functions: Functions,
        give_up: Callable[[str], None],
    ) -> None:
        self._worker = worker
        self._chancy = chancy
        self._functions = functions
        self._deadline_s = deadline_s(lease_s)
        self.connections: Final[list[WorkerConnection]] = []
        self.hearing: Final = Hearing(worker.name, self)
        store, hear = chancy.store, self.hearing.hear
        self.lease: Final = Lease(lease_s, self.lost)
        self.claims, self.listening = self._claims_and_listening(lease_s)
        self.writes: Final = self._connection("chancy finish", record.SETTINGS)
        # Plugins take part in claims from limited queues, so those have a connection of their own: no plugin can hold
        # up the other queues.
        self.limited: Final = self._connection("chancy claim limited", WITH_PLUGINS)
        claims = self.claims
        self.joint: Final = JointClaims(store, claims, worker.name, CLAIM_MAX_BYTES)
        # Plugins use it, and so it is nobody else's. It is opened when there is something to tell.
        told = self._connection("chancy ended", record.SETTINGS)
        self.deliverer: Final = Deliverer(store, told, claims, chancy.plugins)
        self.promoter: Final = Promoter(store, claims, hear)
        self.finisher: Final = Finisher(
            record.Recorder(store, self.writes, chancy.plugins, worker.name),
            chancy.plugins,
            retry_due=self.promoter.due_in,
            sweep=self.promoter.ring,
            worker=worker,
            written=self._written,
            unheard=self.deliverer.left,
        )
        self.progress: Final = ProgressWriter(store, claims)
        self.claimers: Final = Claimers(self._claimer)
        self.lanes: Final = Lanes(
            store,
            claims,
            registration=registration,
            concurrency=concurrency,
            finisher=self.finisher,
            policy=Policy(
                worker.name, chancy.settings.worker.unrunnable_for_s, chancy.plugins.on_failure, tell=report_failure
            ),
            executor_settings=self._executor_settings,
            claimers=self.claimers,
            enforced=chancy.plugins.enforced,
        )
        self.places: Final = FreedPlaces(store, claims, lambda: self.lanes.globally_limited, self.claimers.place_freed)
        self.auditor: Final = Auditor(worker.name, store, claims, self.known_runs, self._not_ours, hear)
        self.canceller: Final = Canceller(worker.name, store, claims, self.lanes.cancel)
        self.standby: Final = Standby(
            registration,
            store,
            lambda: chancy.dsn,
            self.lease,
            pooler=chancy.settings.pooler,
            forgotten=self.auditor.doubt,
        )
        self.heartbeat: Final = Heartbeat(
            registration,
            store,
            claims,
            self.lease,
            self.standby,
            queues=lambda: self.claimers.queues,
            busy=lambda: self.lanes.busy,
            listening=lambda: chancy.plugins.listening,
            found=self.hearing.found,
            forgotten=self.auditor.doubt,
        )
        self.rescuer: Final = Rescuer(worker.name, store, claims, self.lease, hear, self.heartbeat.beat)
        self.vitals: Final = Vitals(
            [claims, self.writes], self.finisher, self.lease, lambda: self.claimers.failing_s, give_up
        )
        self.watchdog: Final = Watchdog(self.job_of)

    def duties(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What is to be done for as long as the worker lives, each in a task of its own, by its name."""
        plugins = self._chancy.plugins
        duties: dict[str, Callable[[], Awaitable[None]]] = {
            "finish": self.finisher.run,
            "lease": self.lease.watch,
            "heartbeat": self.heartbeat.run,
            "queues": self.lanes.run,
            "promote": self.promoter.run,
            "rescue": self.rescuer.run,
            "places": self.places.run,
            "audit": self.auditor.run,
            "cancel": self.canceller.run,
            "progress": self.progress.run,
            "deliver": self.deliverer.run,
            "vitals": self.vitals.run,
            "status": StatusTeller(plugins, self.lanes, self.heartbeat.say).run,
        }
        for plugin in plugins.ticking():
            duties[f"tick {plugin.name}"] = Ticker(self._chancy, plugin, self._worker.name).run
        if self.listening is not None:
            duties["listen"] = self.listening.listen
        return duties

    def known_runs(self) -> set[tuple[uuid.UUID, int]]:
        """The runs that go on here, or whose outcomes have not been written."""
        return self.finisher.known().union(*(lane.known() for lane in self.lanes.lanes.values()))

    def job_of(self, task: asyncio.Task[Any]) -> QueuedJob | None:
        """The job that a task runs. Also from another thread, while the loop is blocked."""
        found = (lane.job_of(task) for lane in list(self.lanes.lanes.values()))
        return next((job for job in found if job is not None), None)

    def lost(self) -> None:
        """The lease is lost: stop the jobs, which are somebody else's by now or will be."""
        count = self.lanes.stop_jobs(StopReason.LEASE_LOST)
        if count:
            log.error(
                "jobs_stopped",
                count=count,
                reason="Their lease was lost: others may run them by now.",
            )

    def _not_ours(self, runs: set[tuple[uuid.UUID, int]]) -> None:
        """These runs go on here, and are somebody else's by now."""
        count = self.lanes.stop_those(runs - self.finisher.known(), StopReason.LEASE_LOST)
        if count:
            log.error("jobs_stopped", count=count, reason="Others have taken them: the worker seemed to be lost.")

    def _written(self, outcomes: Sequence[Outcome]) -> None:
        self.places.ended(outcomes)
        report_recorded(outcomes)

    def _connection(self, application_name: str, settings: Mapping[str, str] | None = None) -> WorkerConnection:
        connection = WorkerConnection(
            lambda: self._chancy.dsn,
            application_name=application_name,
            pooler=self._chancy.settings.pooler,
            settings=settings,
            deadline_s=self._deadline_s,
        )
        connection.on_silence = self._silence
        self.connections.append(connection)
        return connection

    async def _silence(self) -> None:
        """A connection has hung: those that nobody uses are opened anew as well, before somebody waits for them."""
        for connection in self.connections:
            await connection.close_if_idle()

    def _claims_and_listening(self, lease_s: float) -> tuple[WorkerConnection, ListeningConnection | None]:
        """One connection for whatever an idle worker does; but behind a pooler, LISTEN needs a session of its own."""
        if self._chancy.settings.pooler:
            # Each use is a transaction there. If a job blocks the loop in the middle of a heartbeat, that must not hold
            # the worker's row against the thread which renews the lease instead.
            least_s, most_s = IDLE_IN_TRANSACTION_S
            within_ms = 1000 * min(max(lease_s / 8, least_s), most_s)
            claims = self._connection("chancy claim", {"idle_in_transaction_session_timeout": f"{within_ms:.0f}ms"})
            return claims, self._listening("chancy listen") if self._chancy.settings.notifications else None
        if not self._chancy.settings.notifications:
            return self._connection("chancy claim"), None
        connection = self._listening("chancy claim")
        return connection, connection

    def _listening(self, application_name: str) -> ListeningConnection:
        connection = ListeningConnection(
            self._chancy.store.channel,
            self.hearing.heard,
            dsn=lambda: self._chancy.dsn,
            application_name=application_name,
            pooler=False,
            deadline_s=self._deadline_s,
        )
        connection.on_silence = self._silence
        self.connections.append(connection)
        return connection

    def _executor_settings(self, concurrency: int) -> ExecutorSettings:
        return ExecutorSettings(
            self._worker.name,
            concurrency,
            self._chancy.settings.result_limit_bytes,
            self._functions,
            self._chancy.plugins.around(),
            self.progress.report,
            self._chancy.settings.payload_limit_bytes,
            self._chancy,
        )

    def _claimer(self, lane: Lane) -> Claimer:
        return Claimer(
            self._worker,
            self._chancy.store,
            self.claims,
            self.joint,
            self.limited,
            self.writes,
            lane,
            self.finisher,
            self.lease,
            self.auditor.suspect,
            self.heartbeat.started,
            self._chancy.plugins,
        )
