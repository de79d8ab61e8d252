"""Rescue: take back the running jobs of workers that are gone.

The danger is to take the jobs of a worker that lives. When all were cut off from the database, all leases look old, and
whoever comes back first would rescue the good runs of the others. So nobody rescues before one whole lease has passed
in which its own renewals came in time; and what looks lost is looked at twice, with a pause between in which a worker
that has just come back renews its lease.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg

from chancy_core.errors import WorkerLost
from chancy_core.log import log
from chancy_core.store import Flow, Store
from chancy_core.store.notices import unheard
from chancy_core.store.session import WorkerConnection
from chancy_core.store.weather import is_weather, text_of
from chancy_core.values.notices import Notice
from chancy_core.worker.duty import Alarm
from chancy_core.worker.lease import Lease
from chancy_core.worker.reporting import parts

BATCH: Final = 500
# How often somebody looks, on the average, for runs of workers that nobody knows any more; all workers share that.
# Those whose lease ran out are told of by every heartbeat.
LOOKS_PER_LEASE: Final = 3
# The pause between the two looks: a fifth of the lease, in which a worker tries several times to renew its own.
CONFIRMED_AFTER: Final = 0.2
# What the database will not let go looks lost to every heartbeat: no look comes sooner than that after another.
LOOK_MIN_S: Final = 0.5
# A job that the database will not let go is reported so often.
REPORT_EVERY_S: Final = 600.0
NOTE: Final = "The worker that ran it was lost: its lease ran out."
ERROR: Final = json.dumps(
    {
        "type": WorkerLost.__name__,
        "message": "The worker stopped renewing its lease while it ran this attempt: it was killed, or cut "
        "off from the database.",
        "traceback": "",
    }
)


class Rescuer:
    """Every worker rescues; it takes no leader for that, because rows that another one holds are skipped.

    Args:
        worker: the worker's name; it never rescues its own runs.
        store: the statements.
        connection: a connection to share.
        lease: the worker's own.
        hear: told, as by a notification, which queues gained jobs.
        beat: renews the worker's own lease now.

    Attributes:
        rescued: jobs taken back from lost workers, by queue.
    """

    def __init__(
        self,
        worker: str,
        store: Store,
        connection: WorkerConnection,
        lease: Lease,
        hear: Callable[[Notice], None],
        beat: Callable[[], Awaitable[None]],
    ) -> None:
        self._worker = worker
        self._beat = beat
        # Since when runs have been seen whose worker has no row, by the monotonic clock.
        self._orphans_since: float | None = None
        self._store = store
        self.rescued: Final[Counter[str]] = Counter()
        self._hear = hear
        self._connection = connection
        self._lease = lease
        # When each job that the database will not let go was last reported.
        self._reported: dict[uuid.UUID, float] = {}
        self._alarm = Alarm()
        self._batch = BATCH
        self._living = 1
        self._expired = False
        # When the next lease of a worker that holds runs ends, as far as is known, by the monotonic clock.
        self._lost_at = float("inf")

    def leases_seen(self, *, living: int, expired: bool, lost_in_s: float | None) -> None:
        """A heartbeat saw so many living workers, whether a lease ran out, and when the next one does that counts."""
        # Its own row may be gone just now, and with it the last one.
        self._living = max(living, 1)
        self._expired = self._expired or expired
        self._lost_at = float("inf") if lost_in_s is None else time.monotonic() + max(lost_in_s, 0.0)
        if expired or lost_in_s is not None:
            self._alarm.ring()

    async def run(self) -> None:
        """Rescue, for ever."""
        lease_s = self._lease.lease_s
        look_at = 0.0
        while True:
            if self._expired:
                await self._connection.run(self._correct_leases())
            if unsteady_s := self._lease.unsteady_s:
                await self._alarm.sleep(min(unsteady_s + LOOK_MIN_S, lease_s))
                continue
            if not look_at:
                look_at = time.monotonic() + lease_s / LOOKS_PER_LEASE * self._living * random.uniform(0, 2)  # noqa: S311
            if self._expired:
                self._expired = False
                await self._connection.run(self._forget_workers())
            if (wait_s := min(look_at, self._lost_at) - time.monotonic()) > 0:
                await self._alarm.sleep(wait_s)
                continue
            look_at, self._lost_at = 0.0, float("inf")
            await self._look_twice()
            await self._alarm.sleep(min(LOOK_MIN_S, lease_s / LOOKS_PER_LEASE))

    async def _look_twice(self) -> None:
        """Rescue what is lost now, and was a moment ago."""
        found = await self._connection.run(self._find_lost([]))
        if not any(orphan for _, _, orphan in found):
            self._orphans_since = None
        elif self._orphans_since is None:
            self._orphans_since = time.monotonic()
        if all(orphan for _, _, orphan in found) and self._waits_for_orphans():
            return
        if not await self._is_steady():
            return
        # Not on the alarm: nothing may shorten this.
        pause_s = self._lease.lease_s * CONFIRMED_AFTER
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            await self._alarm.sleep(left_s)
        if await self._is_steady() and await self._look():
            await self._connection.run(self._forget_workers())

    async def _is_steady(self) -> bool:
        """Whether its own lease can be renewed just now, and could be all the time."""
        await self._beat()
        return not self._lease.unsteady_s

    def _waits_for_orphans(self) -> bool:
        """Whether runs whose worker has no row are left alone for now: if it lives, it makes one within a lease."""
        return self._orphans_since is None or time.monotonic() - self._orphans_since < self._lease.lease_s

    async def _look(self) -> int:
        """Rescue whatever there is; how many jobs that were."""
        rescued = 0
        try:
            while found := await self._connection.run(self._rescue()):
                rescued += found
                if found < self._batch:
                    break
                self._batch = min(self._batch * 2, BATCH)
        except psycopg.Error as error:
            if is_weather(error):
                # It may have been too slow: a trigger on each row, say.
                self._batch = max(self._batch // 2, 1)
                raise
            # Something that the database refuses in one job must not hold up the others.
            await self._rescue_one_by_one()
        return rescued

    async def _rescue_one_by_one(self) -> None:
        tried: list[uuid.UUID] = []
        refused: dict[uuid.UUID, float] = {}
        while found := await self._connection.run(self._find_lost(tried)):
            for id_, queue, _ in found:
                tried.append(id_)
                try:
                    await self._connection.run(self._rescue(only=[id_]))
                except psycopg.Error as error:
                    if is_weather(error):
                        raise
                    refused[id_] = self._report(id_, queue, error)
        self._reported = refused

    def _report(self, id_: uuid.UUID, queue: str, error: psycopg.Error) -> float:
        """Say, once in a while, that a job stays as it is. Returns when that was said last."""
        now = time.monotonic()
        reported_at = self._reported.get(id_)
        if reported_at is not None and now - reported_at < REPORT_EVERY_S:
            return reported_at
        log.error(
            "rescue_refused",
            job=str(id_),
            queue=queue,
            error=text_of(error),
            hint="The job stays as it is, and is tried again, until the database accepts it; look for a trigger.",
        )
        return now

    def _rescue(self, only: list[uuid.UUID] | None = None) -> Flow[int]:
        rows = yield self._store.query(
            "rescue_jobs",
            me=self._worker,
            limit=self._batch,
            only=only,
            orphans=not self._waits_for_orphans(),
            grace_s=self._lease.lease_s,
            error=ERROR,
            note=NOTE,
        )
        if rows:
            self.rescued.update(row[1] for row in rows)
            self._report_rescued([(str(row[0]), row[2]) for row in rows])
            back = {queue for _, queue, state, _ in rows if state == "pending"}
            tell = [*(Notice.back(queue) for queue in sorted(back)), *unheard(rows)]
            yield from self._store.notify(tell)
            for notice in tell:
                self._hear(notice)
            # One of them may have been cancelled meanwhile, and waits to be swept.
            self._hear(Notice.due())
        return len(rows)

    def _report_rescued(self, rows: list[tuple[str, str]]) -> None:
        for part in parts(rows):
            failed = [id_ for id_, state in part if state == "failed"]
            jobs = [id_ for id_, _ in part]
            log.warning("jobs_rescued", runnable_again=len(part) - len(failed), failed=len(failed), jobs=jobs)
            if failed:
                log.error("jobs_failed", count=len(failed), jobs=failed, error=WorkerLost.__name__, note=NOTE)

    def _find_lost(self, tried: list[uuid.UUID]) -> Flow[list[tuple[uuid.UUID, str, bool]]]:
        rows = yield self._store.query(
            "find_lost", me=self._worker, limit=BATCH, grace_s=self._lease.lease_s, tried=tried
        )
        return [(id_, queue, orphan) for id_, queue, orphan in rows]

    def _correct_leases(self) -> Flow[None]:
        """Let leases that lie too far ahead begin now. That takes nobody's jobs, and so waits for nothing."""
        ahead = yield self._store.query("clamp_leases", lease_s=self._lease.lease_s)
        if ahead:
            log.warning(
                "clock_set_back",
                workers=[worker for (worker,) in ahead],
                hint="Their leases lay further ahead than they can: the database's clock was set back.",
            )

    def _forget_workers(self) -> Flow[None]:
        """Forget workers that are gone and hold nothing."""
        gone = yield self._store.query("forget_workers", grace_s=self._lease.lease_s)
        if gone:
            log.warning("workers_lost", workers=[worker for (worker,) in gone])
