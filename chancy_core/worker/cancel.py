"""Cancel: stop the runs of this worker that somebody wants cancelled."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Final

from chancy_core.log import log
from chancy_core.store import Store
from chancy_core.store.flow import Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.worker.duty import Alarm, jittered

# How soon to stop a run again that goes on although it was stopped: it may be cleaning up.
AGAIN_S: Final = 5.0
# How soon to look again for a run that is not here yet: the answer to its claim is on its way.
MISSED_S: Final = 0.5


class Canceller:
    """Looks for requests that concern this worker, and passes them on.

    Args:
        worker: the worker's name.
        store: the statements.
        connection: a connection to share.
        stop: stops one run; returns whether it is here.
    """

    def __init__(
        self,
        worker: str,
        store: Store,
        connection: WorkerConnection,
        stop: Callable[[uuid.UUID, int], bool],
    ) -> None:
        self._worker = worker
        self._store = store
        self._connection = connection
        self._stop = stop
        self._alarm = Alarm()
        # When each run was told to stop last, by the monotonic clock.
        self._told: dict[tuple[uuid.UUID, int], float] = {}

    def ring(self) -> None:
        """Look now: a notification or the heartbeat says that somebody asked for a cancellation."""
        self._alarm.ring()

    async def run(self) -> None:
        """Look whenever it was rung, and again while a run goes on although it was stopped, for ever."""
        pause_s = float("inf")
        while True:
            await self._alarm.sleep(jittered(pause_s))
            pause_s = float("inf")
            runs = await self._connection.run(self._requests())
            if runs:
                pause_s = AGAIN_S if self._tell(runs) else MISSED_S

    def _tell(self, runs: list[tuple[uuid.UUID, int]]) -> bool:
        """Stop these runs, unless that was done just now. Returns whether all of them are here."""
        now = time.monotonic()
        told: dict[tuple[uuid.UUID, int], float] = {}
        for run in runs:
            before = self._told.get(run)
            if before is not None and now - before < AGAIN_S:
                told[run] = before
            elif self._stop(*run):
                told[run] = now
                if before is None:
                    log.info("cancellation_requested", job=str(run[0]))
        self._told = told
        return len(told) == len(runs)

    def _requests(self) -> Flow[list[tuple[uuid.UUID, int]]]:
        rows = yield self._store.query("find_cancelled", worker=self._worker)
        return [(id_, claims) for id_, claims in rows]
