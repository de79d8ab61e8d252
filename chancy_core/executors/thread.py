"""Blocking functions, in threads; coroutine functions, too, each on a loop of its thread."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from typing import Any, NamedTuple

from chancy_core.errors import CannotRunHere, LimitNotEnforced
from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.control import Control
from chancy_core.executors.daemons import DaemonThreads
from chancy_core.executors.functions import Function, filled
from chancy_core.executors.ownloop import run_in_own_loop
from chancy_core.executors.report import Report, with_declared
from chancy_core.executors.shortage import NoThread
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob


class _OwnTask(NamedTuple):
    """Where a coroutine function runs: in a loop of its thread."""

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[Any]


class ThreadExecutor(Executor):
    """Runs functions in threads, one for each job that runs at a time; coroutine functions on a loop made for the run.

    A thread cannot be stopped from outside: a plain function is stopped at its checkpoints (`JobContext.checkpoint`),
    or not at all. So it takes a time limit only if it has a `JobContext`, which is where checkpoints are; and one that
    goes on when the worker stops waiting for it runs on unheard, until its process ends. A coroutine function is
    cancelled, as on the worker's own loop.
    """

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self._threads = DaemonThreads("chancy-job")
        # A run that begins learns that it was stopped, or whoever stops it learns where it runs.
        self._lock = threading.Lock()
        self._own: dict[Any, _OwnTask] = {}

    async def close(self) -> None:
        """Let the threads go; whoever still runs is not waited for."""
        self._threads.shutdown()

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Cancel a coroutine function; tell a plain one to stop at its next checkpoint.

        A plain one that is cancelled runs until then, and its state says so. One that is handed back, and has no
        checkpoints, is given up at once: nobody waits for its thread.
        """
        with self._lock:
            self.tell(job, reason)
            own = self._own.get((job.id, job.claims))
        if own is not None:
            # The run may be over this very moment, and its loop closed.
            with suppress(RuntimeError):
                own.loop.call_soon_threadsafe(own.task.cancel)
            return
        function = self.settings.functions.known(job.func)
        if function is None or not (reason is StopReason.CANCELLED or function.is_async or function.context):
            task.cancel()

    async def run(self, job: QueuedJob) -> Report:
        """Run one job. See `Executor.run`."""
        try:
            function = self.settings.functions.find_known(job) or await self.finder.find(job)
            self.check_not_stopped(job)
            job, declared = filled(job, function)
            self._check(job, function)
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return Report.not_begun(error)
        return with_declared(await self.run_function(job, function), declared)

    async def run_function(self, job: QueuedJob, function: Function) -> Report:
        """Run a function that has been found already. Never raises."""
        call = self._run_own if function.is_async else self.runner.run_sync
        try:
            report: Report = await self._in_thread(call, job, function, self.control(job))
        except NoThread as error:
            return Report.not_begun(error)
        except asyncio.CancelledError as error:
            # Its thread is given up.
            return Report.raised(error)
        return report

    def _run_own(self, job: QueuedJob, function: Function, control: Control) -> Report:
        """Run a coroutine function, in the thread that calls this. Never raises."""
        try:
            return run_in_own_loop(lambda: self._run_async(job, function, control))
        except CannotRunHere as error:
            return Report.not_begun(error)
        except BaseException as error:  # noqa: BLE001 -- such as SystemExit, raised by a task that the job has started
            return Report.raised(error, run_s=control.used_s)

    async def _run_async(self, job: QueuedJob, function: Function, control: Control) -> Report:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in one
        key = (job.id, job.claims)
        with self._lock:
            self._own[key] = _OwnTask(asyncio.get_running_loop(), task)
            stopped = control.stopped is not None
        try:
            if stopped:
                return Report.not_begun(asyncio.CancelledError())
            return await self.runner.run_async(job, function, control)
        finally:
            with self._lock:
                del self._own[key]

    def _check(self, job: QueuedJob, function: Function) -> None:
        for limit in job.limits:
            if limit.type_ is Limit.Type.TIME and (function.context or function.is_async):
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
