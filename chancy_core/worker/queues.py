"""Queues: follow their declarations, so that a change reaches a running worker within seconds."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from chancy_core.errors import InvalidQueue
from chancy_core.executors import ExecutorSettings, StopReason
from chancy_core.log import log
from chancy_core.plugins import check_limits
from chancy_core.store import Store
from chancy_core.store.queues import look_at_queues
from chancy_core.store.session import WorkerConnection
from chancy_core.store.workers import Registration
from chancy_core.values.queue import Queue, QueueState
from chancy_core.values.serving import is_named
from chancy_core.values.workerinfo import UnableStatus, UnservedStatus
from chancy_core.worker.claimers import Claimers
from chancy_core.worker.deciding import Policy
from chancy_core.worker.duty import Alarm
from chancy_core.worker.finish import Finisher
from chancy_core.worker.lane import Lane
from chancy_core.worker.starting import Starters, serves_alike
from chancy_core.worker.unserved import Unserved

# How soon to try again with a queue that could not be served.
REFUSED_AGAIN_S: Final = 15.0
# No sooner than that, when a paused queue is to resume, and at most so long without a look, because clocks differ.
RESUME_MIN_S: Final = 0.05
RESUME_LOOK_S: Final = 5.0


class Lanes:
    """The lanes of one worker, one for each queue that it serves.

    Args:
        registration: the worker's tags, and the queues that it was told to serve: a queue is served if it is among
            those, and one of its patterns matches one of the tags.
        concurrency: for queues that do not say.
        finisher: takes the outcomes.
        policy: by which it is decided what becomes of their jobs.
        executor_settings: makes the settings of a lane's executor.
        claimers: claim into the lanes.
        enforced: the limits that plugins enforce here; queues with other ones are not served.
    """

    def __init__(
        self,
        store: Store,
        connection: WorkerConnection,
        *,
        registration: Registration,
        concurrency: int,
        finisher: Finisher,
        policy: Policy,
        executor_settings: Callable[[int], ExecutorSettings],
        claimers: Claimers,
        enforced: frozenset[str],
    ) -> None:
        self._store = store
        self._connection = connection
        self._registration = registration
        self._concurrency = concurrency
        self._finisher = finisher
        self._policy = policy
        self._claimers = claimers
        self._enforced = enforced
        #: The queues, served here or not, that have a `global_concurrency`.
        self.globally_limited: frozenset[str] = frozenset()
        self._alarm = Alarm()
        self._resume_in_s = float("inf")
        # What the heartbeat last knew the declarations by.
        self._declarations: int | None = None
        self._lanes: dict[str, Lane] = {}
        # Not claimed from any more, but jobs of it still run here.
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._unserved = Unserved(registration)
        self._starters = Starters(executor_settings, self.ring)

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes by the name of their queue, paused and removed ones that still run jobs included."""
        return self._lanes

    @property
    def running(self) -> int:
        """How many jobs run now, in all lanes."""
        return sum(lane.running for lane in self._lanes.values())

    @property
    def slots(self) -> int:
        """How many jobs could run at a time, in all lanes."""
        return sum(lane.concurrency for lane in self._lanes.values())

    @property
    def busy(self) -> bool:
        """Whether any job runs, or waits for its slot."""
        return any(lane.known() for lane in self._lanes.values())

    def cancel(self, id_: uuid.UUID, claims: int) -> bool:
        """Cancel one run, if it is here; whether it is."""
        return any(lane.cancel((id_, claims)) for lane in self._lanes.values())

    def unable(self) -> list[UnableStatus]:
        """The functions that this worker cannot run for now."""
        return [one for lane in self._lanes.values() for one in lane.unable.status()]

    def unserved(self) -> list[UnservedStatus]:
        """The queues that this worker should serve and does not."""
        return self._unserved.status()

    def ring(self) -> None:
        """Look at the declarations now."""
        self._alarm.ring()

    def declarations_seen(self, declarations: int) -> None:
        """A number that changes with the declarations: look at them, if it did."""
        if declarations != self._declarations:
            self._declarations = declarations
            self.ring()

    async def run(self) -> None:
        """Follow the declarations, for ever."""
        while True:
            await self.follow()
            await self._alarm.sleep(min(self._resume_in_s, REFUSED_AGAIN_S if self._unserved.again else float("inf")))

    async def follow(self) -> None:
        """Read the declarations once, and start, reshape and stop lanes accordingly."""
        queues, unreadable = await self._connection.run(look_at_queues(self._store))
        self._unserved.look_again()
        for bad in unreadable:
            if is_named(bad.name, self._registration.queues):
                self._unserved.refuse(bad.name, InvalidQueue(bad.problem))
        self.globally_limited = frozenset(queue.name for queue in queues if queue.global_concurrency is not None)
        now = datetime.now(UTC)
        resume_in_s = [
            (queue.resume_at - now).total_seconds()
            for queue in queues
            if queue.resume_at is not None and queue.state is QueueState.PAUSED
        ]
        # The database's clock decides, which tells nobody that the moment has come.
        self._resume_in_s = max(min(*resume_in_s, RESUME_LOOK_S), RESUME_MIN_S) if resume_in_s else float("inf")
        served = {queue.name: queue for queue in queues if self._is_served(queue)}
        self._unserved.compare(queues, [bad.name for bad in unreadable])
        active = [queue for queue in served.values() if queue.state is QueueState.ACTIVE]
        await self._start_executors(active)
        for queue in active:
            self._serve(queue)
        for name in self._claimers.queues:
            declared = served.get(name)
            if declared is None or declared.state is not QueueState.ACTIVE:
                # It may be resumed before the last claim is over, so that is a reason to look.
                self._claimers.stop(name, left=self.ring)
                log.info("queue_left", queue=name, state="paused" if declared else "not served any more")
        await self._close_idle_lanes()

    async def _start_executors(self, queues: Collection[Queue]) -> None:
        self._starters.keep_only({queue.name for queue in queues})
        for queue in queues:
            concurrency = queue.concurrency or self._concurrency
            lane = self._lanes.get(queue.name)
            suits = lane is not None and serves_alike(lane.queue, lane.concurrency, queue, concurrency)
            self._starters.start(queue, concurrency, unless=suits)
        await self._starters.wait()

    def _serve(self, queue: Queue) -> None:
        concurrency = queue.concurrency or self._concurrency
        lane = self._lanes.get(queue.name)
        try:
            executor = self._starters.take(queue)
        except BaseException as error:  # noqa: BLE001 -- one queue that cannot be served must not stop the others
            self._unserved.refuse(queue.name, error)
            return
        if lane is None:
            if executor is None:
                return
            lane = self._lanes[queue.name] = Lane(queue, concurrency, executor, self._finisher, self._policy)
        elif executor is not None:
            lane.reshape(queue, concurrency, executor)
            log.info("queue_changed", queue=queue.name, concurrency=concurrency)
        elif lane.queue != queue:
            lane.reshape(queue, concurrency, None)
            self._claimers.wake(queue.name, below_floors=True)
        if not self._claimers.knows(queue.name):
            self._claimers.start(queue.name, lane)
            log.info("queue_served", queue=queue.name, concurrency=concurrency)

    def _is_served(self, queue: Queue) -> bool:
        try:
            if not queue.serves(self._registration.tags, self._registration.queues):
                return False
            check_limits(queue, self._enforced)
        except Exception as error:  # noqa: BLE001 -- as in `_serve`
            self._unserved.refuse(queue.name, error)
            return False
        return True

    async def _close_idle_lanes(self) -> None:
        for name, lane in list(self._lanes.items()):
            if self._claimers.knows(name):
                continue
            if not lane.running:
                del self._lanes[name]
                # Whoever stops the worker meanwhile waits for it as well.
                closing = asyncio.create_task(lane.close(), name=f"chancy.close.{name}")
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
                await asyncio.shield(closing)
            elif name not in self._ending:
                self._ending[name] = asyncio.create_task(self._end(name, lane), name=f"chancy.end.{name}")

    async def _end(self, name: str, lane: Lane) -> None:
        await lane.idle()
        del self._ending[name]
        self._alarm.ring()

    async def stop_claiming(self) -> None:
        """Claim nothing more; waits for claims in flight. Jobs that have a slot are run, the others handed back."""
        for name in self._claimers.queues:
            self._claimers.stop(name, left=self.ring)
        await self._claimers.left()
        for lane in self._lanes.values():
            lane.give_back(StopReason.SHUTDOWN.value)

    async def idle(self) -> None:
        """Wait until nothing runs."""
        await asyncio.gather(*(lane.idle() for lane in self._lanes.values()))

    def stop_jobs(self, reason: StopReason) -> int:
        """Stop everything that runs. Returns how many jobs that were."""
        return sum(lane.stop(reason) for lane in self._lanes.values())

    def stop_those(self, keys: Collection[tuple[uuid.UUID, int]], reason: StopReason) -> int:
        """Stop these runs. Returns how many of them were here."""
        return sum(lane.stop_those(keys, reason) for lane in self._lanes.values())

    async def close(self) -> None:
        """Close the executors, those that were never ready included."""
        self._starters.keep_only(())
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()), *self._closing)
