"""What an executor is: it runs one job and returns an `Outcome`, whatever the job does."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, ClassVar, Final, NamedTuple

from chancy_core.errors import LimitNotEnforced
from chancy_core.executors.control import Control
from chancy_core.executors.functions import Function, Functions
from chancy_core.executors.outcomes import cancelled, failed, handed_back, put_off
from chancy_core.executors.running import Runner
from chancy_core.log import log
from chancy_core.plugins import Around
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import Outcome, Progress, QueuedJob

Report = Callable[[QueuedJob, Progress], None]
# As much as a push takes, unless it is set otherwise.
META_LIMIT_BYTES: Final = 1_048_576
# How long a job is put off because this worker is short of something; doubled each time in a row.
SHORT_FIRST_S: Final = 1.0
SHORT_MAX_S: Final = 60.0


def _unheard(job: QueuedJob, progress: Progress) -> None:
    """Nobody listens."""


class StopReason(StrEnum):
    """Why a worker stops a running job."""

    SHUTDOWN = "The worker stopped before the job ended: it was handed back."
    LEASE_LOST = "The worker lost its lease: the job was handed back."
    CANCELLED = "Cancelled while it ran."


class ExecutorSettings(NamedTuple):
    """What a worker tells each of its executors.

    Attributes:
        worker: the worker's name, for the record of an error.
        concurrency: how many jobs of the queue run at a time.
        result_limit_bytes: the largest result that is kept.
        functions: finds a job's function.
        around: what plugins put round each run.
        report: called with the progress of a run, from any thread.
        meta_limit_bytes: the largest meta that is kept, if a run changed it.
    """

    worker: str
    concurrency: int
    result_limit_bytes: int
    functions: Functions
    around: Around = Around()
    report: Report = _unheard
    meta_limit_bytes: int = META_LIMIT_BYTES


class Executor(abc.ABC):
    """Runs the jobs of one queue on one worker.

    Subclass it, and name the subclass's import path as a queue's `executor`; the queue's
    `executor_options` are passed as keyword arguments after the settings.

    Attributes:
        enforces: the limits it enforces. A job with another limit is refused.
    """

    enforces: ClassVar[frozenset[Any]] = frozenset()

    def __init__(self, settings: ExecutorSettings) -> None:
        self.settings = settings
        self.runner = Runner(settings.worker, settings.result_limit_bytes, settings.meta_limit_bytes, settings.around)
        self._stopping: dict[Any, StopReason] = {}
        self._controls: dict[Any, Control] = {}
        self._short_s = SHORT_FIRST_S

    def share_runs(self, other: Executor) -> None:
        """Know what `other` knows of the runs that go on: for an executor made of several. Before the first run."""
        self._stopping, self._controls = other._stopping, other._controls

    async def start(self) -> None:  # noqa: B027 -- few need one
        """Called once, on the worker's loop, before the first job."""

    async def close(self) -> None:  # noqa: B027
        """Called once, on the worker's loop, when no job runs any more or nobody waits for one."""

    @abc.abstractmethod
    async def run(self, job: QueuedJob) -> Outcome:
        """Run one job. Called in a task of its own, on the worker's loop.

        It returns an outcome whatever the job does, raising `SystemExit` included. When its task is
        cancelled (see `stop`) it stops the job if it can, and returns `self.stopped(job)`.
        """

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Stop a running job: cancel the task in which `run` runs it."""
        self.tell(job, reason)
        task.cancel()

    def tell(self, job: QueuedJob, reason: StopReason) -> None:
        """Note that a running job is to stop, so that its next `checkpoint` raises."""
        key = (job.id, job.claims)
        self._stopping[key] = reason
        control = self._controls.get(key)
        if control is not None:
            control.stop(reason.value)

    def control(self, job: QueuedJob) -> Control:
        """A line to a run that is about to begin; kept until `forget`."""
        control = Control(partial(self.settings.report, job), time_limit_s(job) if job.limits else None)
        key = (job.id, job.claims)
        self._controls[key] = control
        reason = self._stopping.get(key)
        if reason is not None:
            control.stop(reason.value)
        return control

    def stopped(self, job: QueuedJob) -> Outcome | None:
        """The outcome of a job that this worker stopped; None if it did not."""
        reason = self._stopping.pop((job.id, job.claims), None)
        return None if reason is None else stopped_outcome(job, reason)

    def forget(self, job: QueuedJob) -> None:
        """Called when a job has ended, so that a stop that came too late is not kept."""
        if self._stopping or self._controls:
            self._stopping.pop((job.id, job.claims), None)
            self._controls.pop((job.id, job.claims), None)

    def find(self, job: QueuedJob) -> Function:
        """The job's function, checked against its arguments and its limits.

        Raises:
            CannotRun: it cannot be run here, and no retry would help.
        """
        if job.limits:
            self.check_limits(job)
        return self.settings.functions.find(job)

    def check_limits(self, job: QueuedJob) -> None:
        """Raise LimitNotEnforced if the job has a limit that this executor does not enforce."""
        for limit in job.limits:
            if limit.type_ not in self.enforces:
                raise LimitNotEnforced(
                    f"{type(self).__name__} cannot enforce the {limit.type_.value} limit of {job.func} and "
                    "does not run it without: remove the limit, or use a queue whose executor enforces it."
                )

    def failed(self, job: QueuedJob, error: BaseException, run_s: float) -> Outcome:
        """The outcome of an attempt that raised `error`."""
        return failed(job, error, worker=self.settings.worker, run_s=run_s)

    def not_begun(self, job: QueuedJob, problem: str) -> Outcome:
        """The outcome of a run that did not begin, because this worker is short of what it needs: no attempt spent.

        The job comes back after a pause that grows until `begun` is called; another worker may run it then.
        """
        delay_s, self._short_s = self._short_s, min(self._short_s * 2, SHORT_MAX_S)
        if delay_s == SHORT_FIRST_S:
            hint = "No attempt is spent. Raise the limits of this process (ulimit -n, -u), or lower the concurrency."
            log.warning("job_not_begun", job=str(job.id), worker=self.settings.worker, problem=problem, hint=hint)
        return put_off(job, f"Its worker could not begin to run it: {problem}. No attempt was spent.", delay_s)

    def begun(self) -> None:
        """Something could be started again."""
        self._short_s = SHORT_FIRST_S


def stopped_outcome(job: QueuedJob, reason: StopReason) -> Outcome:
    """The outcome of a run that was stopped."""
    if reason is StopReason.CANCELLED:
        return cancelled(job, reason.value)
    return handed_back(job, reason.value)


def time_limit_s(job: QueuedJob) -> float | None:
    """The job's time limit, in seconds."""
    for limit in job.limits:
        if limit.type_ is Limit.Type.TIME:
            return limit.value
    return None
