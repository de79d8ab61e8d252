"""Each job where it belongs: on the loop, in a thread, or in a child process."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.functions import filled
from chancy_core.executors.report import Report, with_declared
from chancy_core.executors.taking import Ended, Takes
from chancy_core.executors.thread import ThreadExecutor
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob

if TYPE_CHECKING:
    from chancy_core.executors.process import ProcessExecutor


class AutoExecutor(Executor, Takes):
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
        # Whichever of them runs a job, it is told here, and asked here.
        self._async.share_runs(self)
        self._thread.share_runs(self)
        # Options are looked at now, since they may be wrong.
        self._process = self._processes(process_options) if process_options else None
        self._in_children: set[Any] = set()

    async def start(self) -> None:
        """Start those that cost nothing while they are not used."""
        await self._async.start()
        await self._thread.start()

    async def close(self) -> None:
        """Close all of them."""
        for executor in self._all():
            await executor.close()

    async def run(self, job: QueuedJob) -> Report:
        """Run one job. See `Executor.run`."""
        if job.limits and _has_memory_limit(job):
            # What only children run is imported only there.
            return await self._run_in_child(job)
        try:
            function = self.settings.functions.find_known(job) or await self.finder.find(job)
            if self._stopping:
                self.check_not_stopped(job)
            declared = None
            if function.declared is not None:
                job, declared = filled(job, function)
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return Report.not_begun(error)
        if job.limits and (not function.is_async or _has_memory_limit(job)):
            report = await self._run_in_child(job)
        else:
            report = await (self._async if function.is_async else self._thread).run_function(job, function)
        return report if declared is None else with_declared(report, declared)

    def take(self, job: QueuedJob, context: Context, ended: Ended) -> bool:
        """Run a plain function without limits in a thread. See `Takes`."""
        # What is not known yet, `run` finds; the threads leave coroutine functions and limits to it as well.
        return self._thread.take(job, context, ended)

    def wake(self) -> None:
        """Let a thread come for what was taken."""
        self._thread.wake()

    def stop_taken(self, job: QueuedJob, reason: StopReason) -> None:
        """As the threads have it."""
        self._thread.stop_taken(job, reason)

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Stop a running job the way the executor does that runs it."""
        function = self.settings.functions.known(job.func)
        if (job.id, job.claims) in self._in_children and self._process is not None:
            self._process.stop(job, task, reason)
        elif function is None or function.is_async:
            # Or its module is being imported: it is not waited for.
            super().stop(job, task, reason)
        else:
            self._thread.stop(job, task, reason)

    async def _run_in_child(self, job: QueuedJob) -> Report:
        if self._process is None:
            try:
                self._process = self._processes({})
            except BaseException as error:  # noqa: BLE001 -- nothing can be opened any more, say
                return Report.not_begun(error)
        key = (job.id, job.claims)
        self._in_children.add(key)
        try:
            return await self._process.run(job)
        finally:
            self._in_children.discard(key)

    def _processes(self, options: dict[str, Any]) -> ProcessExecutor:
        # Fifteen modules, which only limits need.
        from chancy_core.executors.process import ProcessExecutor  # noqa: PLC0415

        executor = ProcessExecutor(self.settings, **options)
        executor.share_runs(self)
        return executor

    def _all(self) -> list[Executor]:
        return [executor for executor in (self._async, self._thread, self._process) if executor is not None]


def _has_memory_limit(job: QueuedJob) -> bool:
    return any(limit.type_ is Limit.Type.MEMORY for limit in job.limits)
