"""Rescue: take back the running jobs of workers that are gone."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Final

import psycopg

from chancy_core.errors import WorkerLost
from chancy_core.log import log
from chancy_core.store import Store
from chancy_core.store.flow import Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.store.weather import is_weather
from chancy_core.worker.duty import Alarm, jittered

BATCH: Final = 500
# How often somebody looks, on the average, for runs of workers that nobody knows any more; all workers share that.
# Those whose lease ran out are found by every heartbeat.
LOOKS_PER_LEASE: Final = 3
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

    Attributes:
        rescued: jobs taken back from lost workers, by queue.
    """

    def __init__(
        self,
        store: Store,
        connection: WorkerConnection,
        lease_s: float,
        hear: Callable[[str], None],
    ) -> None:
        self._store = store
        self.rescued: Final[Counter[str]] = Counter()
        self._hear = hear
        self._connection = connection
        self._lease_s = lease_s
        # When each job that the database will not let go was last reported.
        self._reported: dict[uuid.UUID, float] = {}
        self._alarm = Alarm()
        self._living = 1

    def saw(self, *, living: int, expired: bool) -> None:
        """A heartbeat saw so many living workers, and whether some worker's lease ran out."""
        # Its own row may be gone just now, and with it the last one.
        self._living = max(living, 1)
        if expired:
            self._alarm.ring()

    async def run(self) -> None:
        """Rescue, for ever.

        Each beginning, and with it each reconnection, waits for one lease: when the database has been out of reach of
        everyone, everyone's lease looks old, and the others must have had the time to renew theirs.
        """
        await asyncio.sleep(self._lease_s)
        while True:
            look_s = self._lease_s / LOOKS_PER_LEASE
            expired = await self._alarm.sleep(look_s * self._living * random.uniform(0, 2))  # noqa: S311
            rescued = await self._look()
            if expired or rescued:
                await self._connection.run(self._forget_workers())
            if expired:
                # What the database will not let go looks lost to every heartbeat.
                await asyncio.sleep(jittered(look_s))

    async def _look(self) -> int:
        """Rescue whatever there is; how many jobs that were."""
        rescued = 0
        try:
            while found := await self._connection.run(self._rescue()):
                rescued += found
                if found < BATCH:
                    break
        except psycopg.Error as error:
            if is_weather(error):
                raise
            # Something that the database refuses in one job must not hold up the others.
            await self._rescue_one_by_one()
        return rescued

    async def _rescue_one_by_one(self) -> None:
        tried: list[uuid.UUID] = []
        refused: dict[uuid.UUID, float] = {}
        while found := await self._connection.run(self._find_lost(tried)):
            for id_, queue in found:
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
            error=str(error),
            hint="The job stays as it is, and is tried again, until the database accepts it; look for a trigger.",
        )
        return now

    def _rescue(self, only: list[uuid.UUID] | None = None) -> Flow[int]:
        rows = yield self._store.query(
            "rescue_jobs", limit=BATCH, only=only, grace_s=self._lease_s, error=ERROR, note=NOTE
        )
        if rows:
            self.rescued.update(queue for _, queue, _ in rows)
            states = Counter(state for _, _, state in rows)
            log.warning("jobs_rescued", runnable_again=states["pending"], failed=states["failed"])
            queues = sorted({queue for _, queue, state in rows if state == "pending"})
            yield from self._store.notify([f"back:{queue}" for queue in queues])
            for queue in queues:
                self._hear(f"back:{queue}")
            # One of them may have been cancelled meanwhile, and waits to be swept.
            self._hear("due:")
        return len(rows)

    def _find_lost(self, tried: list[uuid.UUID]) -> Flow[list[tuple[uuid.UUID, str]]]:
        rows = yield self._store.query("find_lost", limit=BATCH, grace_s=self._lease_s, tried=tried)
        return [(id_, queue) for id_, queue in rows]

    def _forget_workers(self) -> Flow[None]:
        rows = yield self._store.query("forget_workers", grace_s=self._lease_s)
        if rows:
            log.warning("workers_lost", workers=[worker for (worker,) in rows])
