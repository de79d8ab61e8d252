"""Each function where it belongs: coroutine functions on the loop, others in threads."""

from __future__ import annotations

import time

from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.executors.base import Executor, ExecutorSettings
from chancy_core.executors.thread import ThreadExecutor
from chancy_core.job import Outcome, QueuedJob


class AutoExecutor(Executor):
    """Runs coroutine functions as `AsyncExecutor` and other functions as `ThreadExecutor`.

    A limit is refused if the one that would run the job cannot enforce it.
    """

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self._async = AsyncExecutor(settings)
        self._thread = ThreadExecutor(settings)

    async def close(self) -> None:
        """Close both."""
        await self._async.close()
        await self._thread.close()

    async def run(self, job: QueuedJob) -> Outcome:
        """Run one job. See `Executor.run`."""
        start = time.perf_counter()
        try:
            function = self.settings.functions.find(job)
            chosen = self._async if function.is_async else self._thread
            if job.limits:
                chosen.check_limits(job)
            return await chosen.run_function(job, function)
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            return self.stopped(job) or self.failed(job, error, time.perf_counter() - start)
