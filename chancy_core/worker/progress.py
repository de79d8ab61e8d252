"""Progress: what runs tell of themselves is stored now and then, all of it in one statement."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import Any, Final

from chancy_core.store import Store
from chancy_core.store.flow import Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.store.storedjobs import encode_progress
from chancy_core.values.queuedjob import Progress, QueuedJob

# Twice a second is as often as somebody looks.
STORE_EVERY_S: Final = 0.5


class ProgressWriter:
    """Keeps the latest progress of each run until it is stored.

    Losing some does no harm, so nothing waits for it: not the job, not its outcome.
    """

    def __init__(self, store: Store, connection: WorkerConnection) -> None:
        self._store = store
        self._connection = connection
        self._latest: dict[tuple[uuid.UUID, int], Progress] = {}
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()

    def report(self, job: QueuedJob, progress: Progress) -> None:
        """Take a run's progress. From any thread."""
        self._latest[job.id, job.claims] = progress
        if not self._told.is_set():
            # The loop may be closed by now.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._told.set)

    async def run(self) -> None:
        """Store what comes, for ever."""
        while True:
            await self._told.wait()
            self._told.clear()
            latest, self._latest = self._latest, {}
            if latest:
                await self._connection.run(self._stored(latest))
            await asyncio.sleep(STORE_EVERY_S)

    def _stored(self, latest: dict[tuple[uuid.UUID, int], Progress]) -> Flow[Any]:
        runs = sorted(latest.items(), key=lambda run: run[0])
        yield self._store.query(
            "report_progress",
            id=[id_ for (id_, _), _ in runs],
            claims=[claims for (_, claims), _ in runs],
            progress=[encode_progress(progress) for _, progress in runs],
        )
