"""Each job where it belongs: on the loop, in a thread, or in a child process."""

from __future__ import annotations

import asyncio
from typing import Any

from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.process import ProcessExecutor
from chancy_core.executors.thread import ThreadExecutor
from chancy_core.job import Limit, Outcome, QueuedJob


class AutoExecutor(Executor):
    """Runs each job on the executor that suits it, and that enforces its limits.

    A job with a memory limit runs in a child process, and so does a plain function with a time limit. Other coroutine
    functions run as `AsyncExecutor` has it, other plain functions as `ThreadExecutor`. There are no child processes
    before the first job needs one.

    Args:
        settings: what the worker tells it.
        process_options: the options of `ProcessExecutor`.
    """

    def __init__(self, settings: ExecutorSettings, **process_options: Any) -> None:
        super().__init__(settings)
        self._async = AsyncExecutor(settings)
        self._thread = ThreadExecutor(settings)
        self._process = ProcessExecutor(settings, **process_options)

    async def start(self) -> None:
        """Start those that cost nothing while they are not used."""
        await self._async.start()
        await self._thread.start()

    async def close(self) -> None:
        """Close all of them."""
        for executor in (self._async, self._thread, self._process):
            await executor.close()

    async def run(self, job: QueuedJob) -> Outcome:
        """Run one job. See `Executor.run`."""
        if job.limits:
            return await self._home(job).run(job)
        try:
            function = self.settings.functions.find(job)
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return self.stopped(job) or self.failed(job, error, 0.0)
        return await (self._async if function.is_async else self._thread).run_function(job, function)

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Stop a running job the way the executor does that runs it."""
        self._home(job).stop(job, task, reason)

    def stopped(self, job: QueuedJob) -> Outcome | None:
        """See `Executor.stopped`."""
        return self._home(job).stopped(job)

    def forget(self, job: QueuedJob) -> None:
        """See `Executor.forget`."""
        for executor in (self._async, self._thread, self._process):
            executor.forget(job)

    def _home(self, job: QueuedJob) -> Executor:
        """The executor that runs a job."""
        limits = {limit.type_ for limit in job.limits}
        if Limit.Type.MEMORY in limits:
            return self._process
        try:
            is_async = self.settings.functions.find(job).is_async
        except BaseException:  # noqa: BLE001 -- it will not come to run anywhere, as this one will tell
            return self._async
        if is_async:
            return self._async
        return self._process if limits else self._thread
