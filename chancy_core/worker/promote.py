"""Promote: jobs whose time has come become runnable; those whose time is over are cancelled."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from chancy_core.log import log
from chancy_core.store import Store
from chancy_core.store.flow import Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.worker.duty import Alarm

BATCH: Final = 1000
# All workers sleep until the same moment; a little spread lets the first of them do it for all.
SPREAD_S: Final = 0.02
# A look takes at most one part in this of the time, should dead rows ever make it dear.
SPACING: Final = 20
# But what is due waits no longer than that for the next look.
SPACING_MAX_S: Final = 5.0


class Promoter:
    """Every worker promotes; rows that another one holds are skipped.

    Args:
        store: the statements.
        connection: a connection to share.
        hear: told, as by a notification, which queues gained jobs.
    """

    def __init__(self, store: Store, connection: WorkerConnection, hear: Callable[[str], None]) -> None:
        self._store = store
        self._hear = hear
        self._connection = connection
        self._alarm = Alarm()
        self._ring_at = float("inf")

    def ring(self) -> None:
        """Look now: something was pushed that is due soon."""
        self._alarm.ring()

    def due_in(self, seconds: float) -> None:
        """Something will be due then, at the latest."""
        at = time.monotonic() + seconds
        if at < self._ring_at:
            self._ring_at = at
            self._alarm.ring()

    async def run(self) -> None:
        """Promote, for ever: the sleep until the next one is exact.

        Pushes notify of what is due within a minute; the heartbeat finds the rest.
        """
        while True:
            start = time.monotonic()
            self._ring_at = float("inf")
            due_in_s = await self._connection.run(self._promote())
            took_s = time.monotonic() - start
            if due_in_s is not None:
                self._ring_at = min(self._ring_at, time.monotonic() + due_in_s)
            least_s = min(took_s * SPACING, SPACING_MAX_S) if took_s > SPREAD_S else 0.0
            spread_s = random.uniform(0, SPREAD_S)  # noqa: S311
            await self._alarm.sleep(max(self._ring_at - time.monotonic(), least_s, 0) + spread_s)

    def _promote(self) -> Flow[float | None]:
        while True:
            ((due_in_s, expires_in_s, cancelled),) = yield self._store.query("next_due")
            if cancelled or (expires_in_s is not None and expires_in_s <= 0):
                swept = yield from self._sweep()
                if not swept:
                    return SPREAD_S
                continue
            if due_in_s is None or due_in_s > 0:
                return min((s for s in (due_in_s, expires_in_s) if s is not None), default=None)
            promoted = yield self._store.query("promote_jobs", limit=BATCH)
            if not promoted:
                # Another worker is at it.
                return SPREAD_S
            queues = sorted({row[0] for row in promoted})
            yield from self._store.notify([f"back:{queue}" for queue in queues])
            for queue in queues:
                self._hear(f"back:{queue}")
            log.debug("jobs_promoted", count=len(promoted), queues=queues)

    def _sweep(self) -> Flow[int]:
        swept = yield self._store.query("sweep_jobs", limit=BATCH)
        if swept:
            expired = sum(1 for _, _, expired in swept if expired)
            log.info("jobs_swept", expired=expired, cancelled=len(swept) - expired)
        return len(swept)
