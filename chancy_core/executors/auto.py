"""Each function where it belongs: coroutine functions on the loop, others in threads."""

from __future__ import annotations

import asyncio
from typing import Any

from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
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
        try:
            function = self.settings.functions.find(job)
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return self.stopped(job) or self.failed(job, error, 0.0)
        if job.limits:
            return await (self._async if function.is_async else self._thread).run(job)
        return await (self._async if function.is_async else self._thread).run_function(job, function)

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Stop a running job the way the executor does that runs it."""
        self._home(job).stop(job, task, reason)

    def stopped(self, job: QueuedJob) -> Outcome | None:
        """See `Executor.stopped`."""
        return self._home(job).stopped(job)

    def forget(self, job: QueuedJob) -> None:
        """See `Executor.forget`."""
        self._async.forget(job)
        self._thread.forget(job)

    def _home(self, job: QueuedJob) -> Executor:
        """The executor that runs a job which has begun."""
        try:
            function = self.settings.functions.find(job)
        except BaseException:  # noqa: BLE001 -- so it has not come to run anywhere
            return self._async
        return self._async if function.is_async else self._thread
