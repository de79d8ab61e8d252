"""What a Dask worker does for a job, in one of its threads: asks whether it may begin, runs it, and reports."""

from __future__ import annotations

import asyncio
import pickle
import socket
import sys
import threading
import time
from collections import OrderedDict
from typing import Any, Final

from distributed import get_worker
from msgspec.structs import replace

from chancy import Limit, Progress, QueuedJob
from chancy.errors import CannotRunHere, LimitNotEnforced, MemoryLimitExceeded
from chancy.executors import Control, Heard, JobRunner, Report, RunSettings
from chancy_dask.guard import Guarded, guard
from chancy_dask.messages import Answer, Order, decode_order, differences, encode, versions

# How long to wait for the word to begin. It takes some milliseconds; without one, whoever sent the job is away.
BEGIN_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.2
# So many sets of settings a thread keeps what it found by them: one for each queue that uses the cluster, mostly.
RUNNERS_MAX: Final = 4

# The runs of this process, by their names.
_runs: Final[dict[str, _Run]] = {}
_mine: Final = threading.local()


def run_order(data: bytes) -> bytes:
    """Run a job: the function of a Dask task. Never raises, so that Dask does nothing of its own about it."""
    order = decode_order(data)
    worker = get_worker()
    who = f"{worker.address} ({socket.gethostname()})"
    if not worker_may_run(order, worker):
        return encode(Answer(worker=who))
    run = _Run(order, worker)
    if order.run in _runs:
        return encode(Answer(worker=who))
    _runs[order.run] = run
    try:
        if not run.may_begin():
            return encode(Answer(worker=who))
        report = _reported(run, order, who)
        if report.error is not None:
            report = replace(report, error=replace(report.error, exception=None))
        return encode(Answer(worker=who, report=report, progress=run.left_to_tell()))
    finally:
        guard.leave(run)
        _runs.pop(order.run, None)


def worker_may_run(order: Order, worker: Any) -> bool:
    """Whether the task is still wanted: it may have been cancelled while it was on its way to this thread."""
    return bool(order.run) and str(worker.status.value) == "running"


# -- what the client lets this worker call -------------------------------------------------


def answer_begin(name: str, wanted: bool) -> None:
    """Let a run begin, or not."""
    run = _runs.get(name)
    if run is not None:
        run.answered(wanted)


def stop_run(name: str, reason: str) -> None:
    """Tell a run to stop."""
    run = _runs.get(name)
    if run is not None:
        run.stop(reason)


def end_worker(name: str) -> None:
    """End this process, if that run still goes on: its nanny starts another one."""
    run = _runs.get(name)
    if run is not None:
        run.end_process()


# -- one run -------------------------------------------------------------------------------


class _Run(Heard, Guarded):
    """A run on this Dask worker."""

    def __init__(self, order: Order, worker: Any) -> None:
        super().__init__(order, worker)
        self.control = Control(self._progressed, order.time_s)
        self._answer = threading.Event()
        self._wanted = False
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def may_begin(self) -> bool:
        """Ask whoever sent it, and wait for the word: Dask may have begun the task before, on a worker that died."""
        self.say(op="begin", host=socket.gethostname())
        until = time.monotonic() + BEGIN_WITHIN_S
        while not self._answer.wait(LOOK_EVERY_S):
            if time.monotonic() > until or self.let_go():
                return False
        return self._wanted

    def answered(self, wanted: bool) -> None:
        """The word has come."""
        self._wanted = wanted
        self._answer.set()

    def begins(self) -> None:
        """The function is about to be called: from now on its time counts."""
        self.began()

    def runs_in(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        """It is a coroutine function, and can be cancelled."""
        with self._lock:
            self._loop, self._task = loop, task
        if self.control.stopped is not None:
            self.stop(self.control.stopped)

    def stop(self, reason: str) -> None:
        """Tell it to stop: its next checkpoint raises, a coroutine function is cancelled. From any thread."""
        self.control.stop(reason)
        self.told_to_stop()
        with self._lock:
            loop, task = self._loop, self._task
        if loop is not None and task is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:
                # It has been closed this very moment.
                return

    def where(self) -> str:
        """Where its thread is in the code."""
        frame = sys._current_frames().get(self.thread)  # noqa: SLF001 -- the only way to another thread's stack
        return self.stack_of(frame)

    def _progressed(self, progress: Progress) -> None:
        self.tell_progress(progress.fraction, progress.note)


def _reported(run: _Run, order: Order, who: str) -> Report:
    """Run the job, and say where it was if it could not be begun."""
    try:
        _check(run, order, who)
        job: QueuedJob = pickle.loads(order.job)  # noqa: S301 -- from the worker of Chancy that sent it
        runner = _runner(order.settings)
    except BaseException as error:  # noqa: BLE001 -- what is not installed here raises anything
        return Report.not_begun(_here(error, who))
    guard.watch(run)
    report = runner.run(job, run.control, run)
    run.measure()
    limit = order.memory_bytes
    if limit is not None and run.peak_bytes > limit and report.error is None:
        # It was too quick to be caught in the act; over its limit is over its limit.
        over = MemoryLimitExceeded(f"{job.func} let {who} hold {run.peak_bytes:,} bytes: its limit is {limit:,.0f}.")
        report = replace(Report.raised(over, run_s=report.run_s), meta=report.meta, declared=report.declared)
    report = replace(report, peak_bytes=run.peak_bytes or None)
    if report.begun or report.error is None:
        return report
    told = f"On the Dask worker {who}: {report.error.message}"
    return replace(report, error=replace(report.error, message=told[:2000]))


def _here(error: BaseException, who: str) -> BaseException:
    if isinstance(error, CannotRunHere | LimitNotEnforced):
        return error
    return CannotRunHere(
        f"The Dask worker {who} cannot read what it is to run: {type(error).__name__}: {error}. Install there what the "
        "worker of Chancy has: its application, and its plugins."
    )


def _check(run: _Run, order: Order, who: str) -> None:
    """Raise CannotRunHere if this host has other versions, LimitNotEnforced if a run here could not be ended."""
    differ = differences(versions(), order.versions) if order.same_versions else ""
    if differ:
        raise CannotRunHere(
            f"The Dask worker {who} has {differ}: install the same versions there, or set same_versions = false."
        )
    if (order.time_s is not None or order.memory_bytes is not None) and order.restarts and not run.alone():
        kinds = " and ".join(
            kind.value
            for kind, value in ((Limit.Type.TIME, order.time_s), (Limit.Type.MEMORY, order.memory_bytes))
            if value is not None
        )
        raise LimitNotEnforced(
            f"The {kinds} limit of the job cannot be enforced on the Dask worker {who}, which has several threads, or "
            "no nanny: start it as `dask worker --nthreads 1 --nworkers N`, or remove the limit."
        )


def _runner(settings: bytes) -> JobRunner:
    """The runner of this thread for these settings: it finds each function once, and keeps one event loop."""
    kept: OrderedDict[bytes, JobRunner] | None = getattr(_mine, "runners", None)
    if kept is None:
        kept = _mine.runners = OrderedDict()
    runner = kept.get(settings)
    if runner is None:
        unpickled: RunSettings = pickle.loads(settings)  # noqa: S301 -- from the worker of Chancy that sent them
        runner = kept[settings] = JobRunner(unpickled).__enter__()
    kept.move_to_end(settings)
    while len(kept) > RUNNERS_MAX:
        kept.popitem(last=False)[1].__exit__(None, None, None)
    return runner
