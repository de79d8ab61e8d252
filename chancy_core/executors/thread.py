"""Blocking functions, in threads."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from chancy_core.errors import CannotRun, LimitNotEnforced
from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.daemons import DaemonThreads
from chancy_core.executors.functions import Function
from chancy_core.executors.report import Report
from chancy_core.executors.shortage import NoThread
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob


class ThreadExecutor(Executor):
    """Runs plain functions in threads, one for each job that runs at a time.

    A thread cannot be stopped from outside: a job is stopped at its checkpoints (`JobContext.checkpoint`), or not at
    all. So it takes a time limit only from functions that have a `JobContext`, which is where checkpoints are; and a
    job that goes on when the worker stops waiting for it runs on unheard, until its process ends.
    """

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self._threads = DaemonThreads("chancy-job")

    async def close(self) -> None:
        """Let the threads go; whoever still runs is not waited for."""
        self._threads.shutdown()

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Tell a running job to stop at its next checkpoint.

        A cancelled one runs until then, and its state says so. One that is handed back, and has no checkpoints, is
        given up at once: nobody waits for its thread.
        """
        self.tell(job, reason)
        if reason is not StopReason.CANCELLED and not self._cooperates(job):
            task.cancel()

    def _cooperates(self, job: QueuedJob) -> bool:
        try:
            return bool(self.settings.functions.find(job).context)
        except BaseException:  # noqa: BLE001 -- it has not come to run
            return False

    async def run(self, job: QueuedJob) -> Report:
        """Run one job. See `Executor.run`."""
        try:
            # Importing the module may block as well.
            function = await self._in_thread(self.settings.functions.find, job)
            if function.is_async:
                raise CannotRun(  # noqa: TRY301 -- recorded as what the attempt raised
                    f"{job.func} is a coroutine function, and its queue {job.queue!r} runs only plain ones: use "
                    "a queue with Chancy.Executor.Auto or Async."
                )
            self._check(job, function)
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return Report.not_begun(error)
        return await self.run_function(job, function)

    async def run_function(self, job: QueuedJob, function: Function) -> Report:
        """Run a plain function that has been found already. Never raises."""
        try:
            report: Report = await self._in_thread(self.runner.run_sync, job, function, self.control(job))
        except NoThread as error:
            return Report.not_begun(error)
        except asyncio.CancelledError as error:
            # Its thread is given up.
            return Report.raised(error)
        return report

    def _check(self, job: QueuedJob, function: Function) -> None:
        for limit in job.limits:
            if limit.type_ is Limit.Type.TIME and function.context:
                continue
            raise LimitNotEnforced(
                f"{type(self).__name__} cannot enforce the {limit.type_.value} limit of {job.func} and does not run it "
                "without: a thread cannot be stopped from outside. Use a queue with Chancy.Executor.Auto or Process"
                + (
                    ", or give the function a JobContext and let it call checkpoint()."
                    if limit.type_ is Limit.Type.TIME
                    else "."
                )
            )

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, context.run, call, *arguments)
