"""Blocking functions, in threads."""

from __future__ import annotations

import asyncio
import contextvars
import time
from typing import Any

from chancy_core.errors import CannotRun
from chancy_core.executors.base import Executor, ExecutorSettings
from chancy_core.executors.daemons import DaemonThreads
from chancy_core.executors.functions import Function
from chancy_core.executors.outcomes import succeeded
from chancy_core.job import Outcome, QueuedJob


class ThreadExecutor(Executor):
    """Runs plain functions in threads, one for each job that runs at a time.

    It enforces no limit, because a thread cannot be stopped from outside. For the same reason a job
    that is still running when the worker stops waiting for it runs on unheard, until its process ends.
    """

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self._threads = DaemonThreads("chancy-job")

    async def close(self) -> None:
        """Let the threads go; whoever still runs is not waited for."""
        self._threads.shutdown()

    async def run(self, job: QueuedJob) -> Outcome:
        """Run one job. See `Executor.run`."""
        start = time.perf_counter()
        try:
            # Importing the module may block as well.
            function = await self._in_thread(self.find, job)
            if function.is_async:
                raise CannotRun(  # noqa: TRY301 -- recorded as what the attempt raised
                    f"{job.func} is a coroutine function, and its queue {job.queue!r} runs only plain ones: use "
                    "a queue with Chancy.Executor.Auto or Async."
                )
            return await self.run_function(job, function)
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            return self.stopped(job) or self.failed(job, error, time.perf_counter() - start)

    async def run_function(self, job: QueuedJob, function: Function) -> Outcome:
        """Run a plain function that has been found already; raises what it raises."""
        outcome: Outcome = await self._in_thread(self._call, job, function)
        return outcome

    def _call(self, job: QueuedJob, function: Function) -> Outcome:
        start = time.perf_counter()
        try:
            value = function.call(**job.kwargs)
        except BaseException as error:  # noqa: BLE001 -- SystemExit in a future would end the loop
            return self.failed(job, error, time.perf_counter() - start)
        return succeeded(
            job,
            value,
            limit_bytes=self.settings.result_limit_bytes,
            run_s=time.perf_counter() - start,
        )

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, context.run, call, *arguments)
