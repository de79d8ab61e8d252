"""Claim: fill the free slots of one lane."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from chancy_core.errors import CannotRun
from chancy_core.executors.outcomes import failed
from chancy_core.job import QueuedJob
from chancy_core.log import log
from chancy_core.plugins import PluginHost
from chancy_core.store import Store
from chancy_core.store.codec import readable_job
from chancy_core.store.connect import WorkerConnection
from chancy_core.store.flow import Flow
from chancy_core.worker.duty import Alarm, jittered
from chancy_core.worker.finish import Finisher
from chancy_core.worker.floors import Floors, Ranges
from chancy_core.worker.lane import Lane
from chancy_core.worker.lease import Lease

# Jobs a claim takes at most; a larger lane asks again at once.
CLAIM_MAX: Final = 500


class Claimer:
    """Claims for one lane: one claim in flight, as many jobs as there are free slots.

    Args:
        worker: the worker, for plugins; its `name` goes into the claim.
        store: the statements.
        connection: a connection that only claims use.
        lane: where the jobs run.
        finisher: when too many outcomes wait to be written, claiming waits too.
        lease: while it is lost, nothing is claimed.
        plugins: told of each batch before its jobs start.
        suspect: called when a claim failed, which may have succeeded all the same.
    """

    def __init__(
        self,
        worker: Any,
        store: Store,
        connection: WorkerConnection,
        lane: Lane,
        finisher: Finisher,
        lease: Lease,
        suspect: Callable[[], None],
        plugins: PluginHost,
    ) -> None:
        self._worker = worker
        self._store = store
        self._connection = connection
        self._lane = lane
        self._finisher = finisher
        self._lease = lease
        self._suspect = suspect
        self._plugins = plugins
        self._floors = Floors()
        self._alarm = Alarm()

    def wake(self, *, below_floors: bool = False) -> None:
        """Look for jobs now: something became runnable, perhaps below the floors."""
        if below_floors:
            self._floors.sweep_now()
        self._alarm.ring()

    async def run(self) -> None:
        """Claim, for ever."""
        while True:
            await self._lease.held()
            await self._finisher.room()
            wanted = min(await self._lane.slots(), CLAIM_MAX)
            jobs, everywhere = await self._claim_and_start(wanted)
            if jobs:
                log.debug("jobs_claimed", queue=self._lane.queue.name, count=len(jobs))
            if len(jobs) < wanted:
                await self._alarm.sleep(self._pause_s(everywhere))

    def _pause_s(self, everywhere: bool) -> float:
        pause_s = jittered(self._lane.queue.polling_interval)
        if not everywhere:
            # There may be jobs below the floors: look as soon as that may cost something again.
            pause_s = min(pause_s, self._floors.sweep_in_s(time.monotonic()))
        return pause_s

    async def _claim_and_start(self, wanted: int) -> tuple[list[QueuedJob], bool]:
        """Claim and start; a claim in flight is waited for even by a cancelled claimer, because its jobs are ours."""
        claim = asyncio.ensure_future(self._claim(wanted))
        try:
            claimed = await asyncio.shield(claim)
        except asyncio.CancelledError:
            with suppress(Exception):
                self._start((await claim)[0])
            raise
        self._start(claimed[0])
        return claimed

    def _start(self, jobs: list[QueuedJob]) -> None:
        if jobs and self._plugins.has("on_claim"):
            jobs = self._plugins.on_claim(jobs, self._worker)
        self._lane.start(jobs)

    async def _claim(self, wanted: int) -> tuple[list[QueuedJob], bool]:
        start = time.monotonic()
        ranges = self._floors.ranges(start)
        try:
            jobs = await self._connection.run(self._claim_flow(wanted, ranges))
        except BaseException:
            self._suspect()
            raise
        now = time.monotonic()
        self._floors.claimed(ranges, jobs, full=len(jobs) >= wanted, now=now, took_s=now - start)
        return jobs, len(ranges.low) == 1

    def _claim_flow(self, wanted: int, ranges: Ranges) -> Flow[list[QueuedJob]]:
        rows = yield self._store.query(
            "claim_jobs",
            queue=self._lane.queue.name,
            worker=self._worker.name,
            limit=wanted,
            low=ranges.low,
            high=ranges.high,
            floor=ranges.floor,
        )
        jobs = []
        for row in rows:
            job, problem = readable_job(row)
            if problem is None:
                jobs.append(job)
            else:
                # A row that somebody wrote by hand must not hold up the queue behind it.
                self._finisher.put(failed(job, CannotRun(problem), worker=self._worker.name, run_s=0.0))
        return jobs
