"""Rescue: take back the running jobs of workers that are gone."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Final

from chancy_core.errors import WorkerLost
from chancy_core.log import log
from chancy_core.store import Store
from chancy_core.store.connect import WorkerConnection
from chancy_core.store.flow import Flow
from chancy_core.worker.duty import jittered

BATCH: Final = 500
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
    """Every worker rescues; it takes no leader for that, because rows that another one holds are skipped."""

    def __init__(
        self,
        store: Store,
        connection: WorkerConnection,
        lease_s: float,
        hear: Callable[[str], None],
    ) -> None:
        self._store = store
        #: Jobs taken back from lost workers.
        self.rescued = 0
        self._hear = hear
        self._connection = connection
        self._lease_s = lease_s

    async def run(self) -> None:
        """Rescue, for ever.

        Each beginning, and with it each reconnection, waits for one lease: when the database has been out of reach of
        everyone, everyone's lease looks old, and the others must have had the time to renew theirs.
        """
        await asyncio.sleep(self._lease_s)
        while True:
            while await self._connection.run(self._rescue()) == BATCH:
                pass
            await asyncio.sleep(jittered(self._lease_s / 3))

    def _rescue(self) -> Flow[int]:
        rows = yield self._store.query("rescue_jobs", limit=BATCH, grace_s=self._lease_s, error=ERROR, note=NOTE)
        if rows:
            self.rescued += len(rows)
            states = Counter(state for _, _, state in rows)
            log.warning("jobs_rescued", runnable_again=states["pending"], failed=states["failed"])
            queues = sorted({queue for _, queue, state in rows if state == "pending"})
            yield from self._store.notify([f"back:{queue}" for queue in queues])
            for queue in queues:
                self._hear(f"back:{queue}")
        gone = yield self._store.query("forget_workers", grace_s=self._lease_s)
        if gone:
            log.warning("workers_lost", workers=[row[0] for row in gone])
        return len(rows)
