"""Blocking functions, in threads; coroutine functions, too, each on a loop of its thread."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from chancy_core.errors import CannotRunHere, LimitNotEnforced
from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.control import Control
from chancy_core.executors.daemons import DaemonThreads
from chancy_core.executors.functions import Function, filled
from chancy_core.executors.ownloop import run_in_own_loop
from chancy_core.executors.report import Report, with_declared
from chancy_core.executors.returning import DONE, settled_here
from chancy_core.executors.shortage import NoThread
from chancy_core.executors.taking import Ended, Takes
from chancy_core.values.declared import Declared
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob

# Of a run that was given up before it began, for which nobody waits.
NEVER_RUN: Final = Report()


class _OwnTask(NamedTuple):
    """Where a coroutine function runs: in a loop of its thread."""

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[Any]


class _ThreadRun:
    """One run in a thread.

    Attributes:
        job: as whoever waits for it knows it.
        report: what came of it.
        given_up: whether nobody waits for it any longer; one that has not begun then never does.
    """

    __slots__ = ("_call", "_context", "awaited", "given_up", "job", "report")

    def __init__(self, job: QueuedJob, call: Callable[[], Report], context: contextvars.Context) -> None:
        self.job = job
        self._call = call
        self._context = context
        # Where its report is waited for; None: its job was taken.
        self.awaited: asyncio.Future[Report] | None = None
        self.report = NEVER_RUN
        self.given_up = False

    def run(self) -> None:
        """Run it, in the thread that calls this."""
        if self.given_up:
            return
        try:
            self.report = self._context.run(self._call)
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            self.report = Report.raised(error)

    def refuse(self, error: NoThread) -> None:
        """There is no thread for it."""
        self.report = Report.not_begun(error)


class ThreadExecutor(Executor, Takes):
    """Runs functions in threads, one for each job that runs at a time; coroutine functions on a loop made for the run.

    A thread cannot be stopped from outside: a plain function is stopped at its checkpoints (`JobContext.checkpoint`),
    or not at all. So it takes a time limit only if it has a `JobContext`, which is where checkpoints are; and one that
    goes on when the worker stops waiting for it runs on unheard, until its process ends. A coroutine function is
    cancelled, as on the worker's own loop.
    """

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self._threads: Final = DaemonThreads[_ThreadRun]("chancy-job", self._ended)
        # By the job's identity in memory: hashing a UUID costs as much as the rest of this.
        self._taken: Final[dict[int, _ThreadRun]] = {}
        self._tell: Ended | None = None
        # A run that begins learns that it was stopped, or whoever stops it learns where it runs.
        self._lock = threading.Lock()
        self._own: dict[Any, _OwnTask] = {}

    async def close(self) -> None:
        """Let the threads go; whoever still runs is not waited for."""
        self._threads.close()

    # -- jobs that need no task ------------------------------------------------------------

    def take(self, job: QueuedJob, context: contextvars.Context, ended: Ended) -> bool:
        """Run a plain function that has been found before. See `Takes`."""
        function = self.settings.functions.known(job.func)
        if function is None or function.is_async or job.limits:
            return False
        try:
            call = self._call_of(job, function)
        except BaseException:  # noqa: BLE001 -- `run` finds the same, and tells of it
            return False
        if call is None:
            return False
        self._tell = ended
        run = self._taken[id(job)] = _ThreadRun(job, call, context)
        self._threads.give(run)
        return True

    def _call_of(self, job: QueuedJob, function: Function) -> Callable[[], Report] | None:
        """What a thread has to call for a job; None: the job has limits."""
        self.settings.functions.find_known(job)
        asked, declared = filled(job, function)
        if asked.limits:
            return None
        if function.injected or self.runner.around.plugins or asked.json != "plain":
            call = partial(self.runner.run_sync, asked, function, self.control(asked))
        else:
            call = partial(self._run_plain, asked, function)
        return call if declared is None else partial(_declaring, call, declared)

    def wake(self) -> None:
        """Let a thread come for what was taken."""
        self._threads.wake()

    def stop_taken(self, job: QueuedJob, reason: StopReason) -> None:
        """As `stop`: it is told to stop at its next checkpoint, or given up if it has none and is handed back."""
        # It may be done, only nobody has looked.
        self._threads.collect()
        run = self._taken.get(id(job))
        if run is None:
            return
        self.tell(job, reason)
        function = self.settings.functions.known(job.func)
        if function is None or not (reason is StopReason.CANCELLED or function.context):
            run.given_up = True
            del self._taken[id(job)]
            self._tell_of([(job, Report.raised(asyncio.CancelledError()))])

    def _run_plain(self, job: QueuedJob, function: Function) -> Report:
        """As `Runner.run_sync`, without what such a job has no use for: short jobs are made of this."""
        start = time.perf_counter()
        try:
            value = function.call(**job.kwargs)
            if type(value) not in DONE:
                value = settled_here(job.func, value)
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            return Report.raised(error, run_s=time.perf_counter() - start)
        run_s = time.perf_counter() - start
        if value is None:
            return Report(run_s=run_s)
        limit_bytes = self.settings.result_limit_bytes
        return Report.returned(value, run_s=run_s, keep=job.keep_result, limit_bytes=limit_bytes)

    def _ended(self, runs: list[_ThreadRun]) -> None:
        """Threads are done with these runs. On the loop."""
        taken: list[tuple[QueuedJob, Report]] = []
        for run in runs:
            if run.awaited is not None:
                if not run.awaited.done():
                    run.awaited.set_result(run.report)
            elif not run.given_up:
                del self._taken[id(run.job)]
                taken.append((run.job, run.report))
        if taken:
            self._tell_of(taken)

    def _tell_of(self, ended: list[tuple[QueuedJob, Report]]) -> None:
        if self._tell is not None:
            self._tell(ended)

    # -- jobs that have one ----------------------------------------------------------------

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
            return await self._in_thread(call, job, function, self.control(job))
        except asyncio.CancelledError as error:
            # Its thread is given up.
            return Report.raised(error)

    async def _in_thread(self, call: Callable[..., Report], job: QueuedJob, *arguments: Any) -> Report:
        run = _ThreadRun(job, partial(call, job, *arguments), contextvars.copy_context())
        run.awaited = asyncio.get_running_loop().create_future()
        self._threads.give(run)
        self._threads.wake()
        try:
            return await run.awaited
        except asyncio.CancelledError:
            run.given_up = True
            raise

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
            if function.resources is not None:
                # This loop is over with the run.
                await function.resources.close_here()

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


def _declaring(call: Callable[[], Report], declared: Declared) -> Report:
    return with_declared(call(), declared)
