"""`chancy worker --until-idle`: ends a worker when there is nothing left to do."""

from __future__ import annotations

import asyncio
from typing import Final

from chancy_core.cli.exits import LEFT_UNABLE
from chancy_core.log import log
from chancy_core.store.unfinished import Unfinished
from chancy_core.worker import Stopped, Worker
from chancy_core.worker.idle import until_idle


class Ends:
    """Ends a worker.

    Args:
        worker: the worker.
        within_s: how soon a job must be due to be waited for, in seconds.
    """

    def __init__(self, worker: Worker, within_s: float) -> None:
        self._worker: Final = worker
        self._within_s: Final = within_s
        self._task: asyncio.Task[Unfinished] | None = None
        self._unable: dict[str, str] = {}

    def begin(self) -> None:
        """Begin to look whether anything is left."""
        self._task = asyncio.create_task(until_idle(self._worker, within_s=self._within_s), name="chancy.idle")
        self._task.add_done_callback(self._ended)

    def code(self, how: Stopped) -> int:
        """How the process is to exit, when its worker has stopped like that."""
        if self._task is None or not self._task.done():
            # It was told to stop before.
            if self._task is not None:
                self._task.cancel()
            return how
        # What has gone wrong with the looking is told as any error.
        found = self._task.result()
        if not found.unable or how is not Stopped.DRAINED:
            return how
        log.error("jobs_left", functions=self._unable, hint="This worker cannot run them; they wait for one that can.")
        return LEFT_UNABLE

    def _ended(self, _task: object) -> None:
        # A worker that has stopped has forgotten.
        self._unable = {one.func: one.problem for one in self._worker.unable}
        if not self._worker.stopping:
            log.info("nothing_left_to_do", worker=self._worker.name)
            self._worker.shut_down()
