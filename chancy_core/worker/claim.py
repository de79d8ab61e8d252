"""Claim: fill the free slots of one lane."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psycopg

from chancy_core.errors import CannotRun
from chancy_core.executors import StopReason
from chancy_core.log import log
from chancy_core.plugins import PluginHost
from chancy_core.store import Store, run
from chancy_core.store.arrays import unquoted_array
from chancy_core.store.flow import AsyncConnection, Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.store.weather import Fault, fault_of, is_weather
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.worker.claimed import Claimed, Found, Rows, read_rows
from chancy_core.worker.deciding import handed_back
from chancy_core.worker.duty import Alarm, jittered
from chancy_core.worker.finish import Finisher
from chancy_core.worker.floors import EVERYTHING, Floors, Ranges
from chancy_core.worker.joint import Brought, JointClaims
from chancy_core.worker.lane import Lane
from chancy_core.worker.lease import Lease
from chancy_core.worker.refused import Refused

# Jobs a claim takes at most; a larger lane asks again at once.
CLAIM_MAX: Final = 500
# And no more, once they hold so many bytes as they are stored, compressed mostly: what one claim brings is in memory
# several times over while it is read.
CLAIM_MAX_BYTES: Final = 1 << 20
# A claim that is quicker than that may take more the next time, after one that failed.
QUICK_S: Final = 1.0
# What a claim that was given up has locked is free again within so many seconds; meanwhile it is looked more often.
FREE_AFTER_S: Final = 5.0
SOON_S: Final = 0.5
# A worker that notifications wake looks by itself only in case one was lost, which is so many times as seldom.
NOTIFIED_FACTOR: Final = 3
# The least pause before a budget is asked for again, whatever a plugin says.
BUDGET_PAUSE_MIN_S: Final = 0.005

_DATA: Final = (Fault.TOO_MUCH, Fault.THIS_ONE)
NO_CONNECTION: Final = "The worker had no connection to record outcomes by: it was handed back."


class Claimer:
    """Claims for one lane: one claim in flight, as many jobs as there are free slots.

    Args:
        worker: the worker, for plugins; its `name` goes into the claim.
        store: the statements.
        connection: a connection that only claims use.
        joint: claims by it for several queues together.
        limited: another one, for claims in which plugins take part.
        writes: the connection by which outcomes are written: it is open before the first job starts.
        lane: where the jobs run.
        finisher: when too many outcomes wait to be written, claiming waits too.
        lease: while it is lost, nothing is claimed.
        plugins: told of each batch before its jobs start.
        suspect: called when a claim failed, which may have succeeded all the same.
        started: called when jobs have been started.
    """

    def __init__(
        self,
        worker: Any,
        store: Store,
        connection: WorkerConnection,
        joint: JointClaims,
        limited: WorkerConnection,
        writes: WorkerConnection,
        lane: Lane,
        finisher: Finisher,
        lease: Lease,
        suspect: Callable[[], None],
        started: Callable[[], None],
        plugins: PluginHost,
    ) -> None:
        self._worker = worker
        self._store = store
        self._connection = connection
        self._joint = joint
        self._limited = limited
        self._writes = writes
        self._lane = lane
        self._finisher = finisher
        self._lease = lease
        self._suspect = suspect
        self._started = started
        self._plugins = plugins
        self._floors = Floors()
        self._refused = Refused()
        self._failed_at = float("-inf")
        # How many jobs a claim takes at most: fewer while the database refuses claims, or is slow with them.
        self._limit = CLAIM_MAX
        self._alarm = Alarm()
        # Rings when a queue whose budget was used up may have one again. New jobs do not ring it.
        self._budget_alarm = Alarm()
        self._room_timer: asyncio.TimerHandle | None = None
        #: Since when claims have failed for another reason than weather, by the monotonic clock.
        self.failing_since: float | None = None
        # The functions that the latest claim left to other workers.
        self._left_alone: list[str] | None = None
        lane.unable.changed = self._alarm.ring
        # When it was last known that the queue has nothing more, by the monotonic clock.
        self._looked_at = 0.0

    def wake(self, *, below_floors: bool = False) -> None:
        """Look for jobs now: something became runnable, perhaps below the floors."""
        if below_floors:
            self._floors.sweep_now()
            # What comes back has left its place in the queue's limits, or its limits have changed.
            self._budget_alarm.ring()
        self._alarm.ring()

    def nothing_waits(self) -> None:
        """Somebody looked, and found nothing."""
        self._looked_at = time.monotonic()

    def place_freed(self, *, within_s: float) -> None:
        """A job of the queue ended somewhere: look within so many seconds, if the budget was used up."""
        loop = asyncio.get_running_loop()
        if not within_s:
            self._budget_alarm.ring()
        elif self._room_timer is None or self._room_timer.when() <= loop.time():
            self._room_timer = loop.call_later(random.uniform(0, within_s), self._budget_alarm.ring)  # noqa: S311

    async def run(self) -> None:
        """Claim, for ever."""
        while True:
            await self._lease.held()
            await self._finisher.uncongested()
            wanted = min(await self._lane.slots(), self._limit)
            claimed = await self._claim_and_start(wanted)
            if claimed.jobs:
                log.debug("jobs_claimed", queue=self._lane.queue.name, count=len(claimed.jobs))
            if claimed.used_up:
                await self._budget_alarm.sleep(self._budget_pause_s(claimed.again_in_s))
            elif not claimed.full:
                await self._rest(claimed.everywhere)

    async def _rest(self, everywhere: bool) -> None:
        """Sleep until there may be jobs, or nobody has looked for too long."""
        self.nothing_waits()
        pause_s = self._poll_s()
        if time.monotonic() - self._failed_at < FREE_AFTER_S:
            pause_s = min(pause_s, SOON_S)
        if not everywhere:
            # There may be jobs below the floors: look as soon as that may cost something again.
            pause_s = min(pause_s, self._floors.sweep_in_s(time.monotonic()))
        if self._lane.unable.faults:
            # Then there may be jobs for it, wherever they lie.
            pause_s = min(pause_s, self._lane.unable.ends_in_s())
        while (left_s := self._looked_at + pause_s - time.monotonic()) > 0:
            if await self._alarm.sleep(left_s):
                return

    def _poll_s(self) -> float:
        polling_s = self._lane.queue.polling_interval
        return jittered(polling_s * NOTIFIED_FACTOR if self._store.notifications else polling_s)

    def _budget_pause_s(self, again_in_s: float | None) -> float:
        pause_s = jittered(self._lane.queue.polling_interval)
        if again_in_s is None:
            return pause_s
        # Never too early; and a little apart, so that one of those who wait has done before the next one asks.
        return min(pause_s, max(again_in_s, BUDGET_PAUSE_MIN_S) + random.uniform(0, BUDGET_PAUSE_MIN_S))  # noqa: S311

    async def _claim_and_start(self, wanted: int) -> Claimed:
        """Claim and start; a claim in flight is waited for even by a cancelled claimer, because its jobs are ours."""
        # It starts its jobs itself, without a step of the loop between.
        claim = asyncio.ensure_future(self._claim_to_run(wanted))
        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:
            with suppress(Exception):
                await claim
            raise

    async def _claim_to_run(self, wanted: int) -> Claimed:
        """Claim, have the connection that records outcomes before jobs run that may use up all there are, and start."""
        leases_lost = self._lease.times_lost
        claimed = await self._claim(wanted)
        if claimed.jobs:
            try:
                await self._writes.ready()
            except BaseException:
                for job in claimed.jobs:
                    self._finisher.put(handed_back(job, NO_CONNECTION))
                raise
        self._start(claimed.jobs, leases_lost)
        return claimed

    def _start(self, jobs: list[QueuedJob], leases_lost: int) -> None:
        if jobs and (leases_lost != self._lease.times_lost or not self._lease.is_held):
            # The answer was so late that they may be somebody else's by now, or will be before they end.
            log.warning("claim_too_late", queue=self._lane.queue.name, count=len(jobs))
            for job in jobs:
                self._finisher.put(handed_back(job, StopReason.LEASE_LOST.value))
            return
        if jobs and self._plugins.has("on_claim"):
            jobs = self._plugins.on_claim(jobs, self._worker)
        self._lane.start(jobs)
        if jobs:
            self._started()

    async def _claim(self, wanted: int) -> Claimed:
        start = time.monotonic()
        try:
            if self._lane.queue.limited_by:
                claimed = await self._claim_within_budget(wanted)
                self._succeeded(len(claimed.jobs), time.monotonic() - start)
                return claimed
            found, full, everywhere = await self._look(wanted)
        except BaseException as error:
            self._floors.sweep_now()
            if isinstance(error, psycopg.Error) and fault_of(error, rows=wanted) in _DATA:
                return await self._halve(wanted, error)
            self._suspect()
            # It may have been too slow: a trigger on each row, say. What it was about to take is free in a moment.
            self._limit = max(wanted // 2, 1)
            self._failed_at = time.monotonic()
            if isinstance(error, Exception) and not is_weather(error) and self.failing_since is None:
                self.failing_since = time.monotonic()
            raise
        self._succeeded(len(found), time.monotonic() - start)
        return Claimed(self._readable(found), full, everywhere)

    def _succeeded(self, count: int, took_s: float) -> None:
        self.failing_since = None
        if count and took_s < QUICK_S:
            self._limit = min(self._limit * 2, CLAIM_MAX)

    async def _halve(self, wanted: int, error: psycopg.Error) -> Claimed:
        """Something in a job keeps the whole claim from being made: claim fewer, until it is found, and leave it."""
        self._limit = max(wanted // 2, 1)
        if wanted == 1:
            found = await self._connection.run(self._next_flow())
            for id_ in found:
                self._refused.add(id_, self._lane.queue.name, error)
        return Claimed([], full=True, everywhere=False)

    async def _claim_within_budget(self, wanted: int) -> Claimed:
        """Ask for the budget, claim, and tell what was taken, in one transaction."""
        found: Found = []
        full, everywhere, used_up = False, True, True
        again_in_s: float | None = None
        # What rang before is answered by this claim.
        self._budget_alarm.silence()
        # It is not swallowed by a transaction whose connection a plugin has closed.
        with suppress(psycopg.Rollback):
            async with self._limited.transaction() as connection:
                grant = await self._plugins.claim_budget(self._lane.queue, wanted, connection)
                again_in_s = grant.again_in_s
                if grant.roll_back:
                    raise psycopg.Rollback
                if grant.count:
                    found, full, everywhere = await self._look(grant.count, connection)
                    used_up = len(found) >= grant.count < wanted
                    full = full and not used_up
                if found and not await self._plugins.tell_taken(grant, len(found), connection):
                    found, full, used_up, again_in_s = [], False, True, None
                    self._floors.sweep_now()
                    raise psycopg.Rollback
        return Claimed(self._readable(found), full, everywhere, used_up, again_in_s)

    async def _look(self, wanted: int, within: AsyncConnection | None = None) -> tuple[Found, bool, bool]:
        """Claim so many at most. Returns the jobs, whether there may be more, and whether it looked everywhere.

        Args:
            wanted: how many.
            within: the transaction to claim in; None: one of its own.
        """
        start = time.monotonic()
        before, self._left_alone = self._left_alone, self._lane.unable.left_alone()
        if before and before != self._left_alone:
            # What was left alone lies below the floors.
            self._floors.sweep_now()
        ranges = self._floors.ranges(start)
        brought = await self._ask(wanted, ranges, within)
        now = time.monotonic()
        found, size = await read_rows(brought.rows)
        full = brought.full or len(found) >= wanted or size >= CLAIM_MAX_BYTES
        jobs = [job for job, _ in found]
        self._floors.claimed(ranges, jobs, full=full, now=now, took_s=now - start)
        return found, full, len(ranges.low) == 1

    async def _ask(self, wanted: int, ranges: Ranges, within: AsyncConnection | None) -> Brought:
        if within is not None:
            return Brought(await run(within, self._claim_flow(wanted, ranges)), full=False)
        if ranges is EVERYTHING and self._left_alone is None and not self._refused.ids():
            return await self._joint.claim(self._lane.queue.name, wanted, lambda: self._claim_flow(wanted, ranges))
        return Brought(await self._connection.run(self._claim_flow(wanted, ranges)), full=False)

    def _claim_flow(self, wanted: int, ranges: Ranges) -> Flow[Rows]:
        return (
            yield self._store.query(
                "claim_jobs",
                queue=self._lane.queue.name,
                worker=self._worker.name,
                limit=wanted,
                bytes=CLAIM_MAX_BYTES,
                low=unquoted_array(ranges.low),
                high=unquoted_array(ranges.high),
                floor=unquoted_array(ranges.floor),
                refused=unquoted_array(self._refused.ids()),
                unable=self._left_alone,
            )
        )

    def _next_flow(self) -> Flow[list[uuid.UUID]]:
        rows = yield self._store.query(
            "find_next",
            queue=self._lane.queue.name,
            refused=unquoted_array(self._refused.ids()),
            unable=self._left_alone,
        )
        return [id_ for (id_,) in rows]

    def _readable(self, found: Found) -> list[QueuedJob]:
        """The jobs of a claim that has committed."""
        jobs = []
        for job, problem in found:
            if problem is None:
                jobs.append(job)
            else:
                # A row that somebody wrote by hand must not hold up the queue behind it.
                self._lane.refuse(job, CannotRun(problem))
        return jobs
