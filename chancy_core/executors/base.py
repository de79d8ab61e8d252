"""What an executor is: it runs one job, and says what the run returned or raised."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from chancy_core.errors import InvalidReport, LimitNotEnforced, NotOpen
from chancy_core.executors.application import NOBODY_S, elsewhere
from chancy_core.executors.control import Control, time_limit_s
from chancy_core.executors.elsewhere import RunSettings
from chancy_core.executors.finding import Finder
from chancy_core.executors.functions import Function, Functions, filled
from chancy_core.executors.report import META_LIMIT_BYTES, Report
from chancy_core.executors.running import Runner
from chancy_core.plugins import Around
from chancy_core.values.queuedjob import Progress, QueuedJob

if TYPE_CHECKING:
    from chancy_core.app import Chancy

TellProgress = Callable[[QueuedJob, Progress], None]


def _unheard(job: QueuedJob, progress: Progress) -> None:
    """Nobody listens."""


def _nobody_claims() -> None:
    """It belongs to no lane yet."""


class StopReason(StrEnum):
    """Why a worker stops a running job."""

    SHUTDOWN = "The worker stopped before the job ended: it was handed back."
    LEASE_LOST = "The worker lost its lease: the job was handed back."
    CANCELLED = "Cancelled while it ran."


class ExecutorSettings(NamedTuple):
    """What a worker tells each of its executors.

    Attributes:
        worker: the worker's name.
        concurrency: how many jobs of the queue run at a time.
        result_limit_bytes: the largest result that is kept.
        functions: finds a job's function.
        around: what plugins put round each run.
        progressed: called with the progress of a run, from any thread.
        meta_limit_bytes: the largest meta that is kept, if a run changed it.
        chancy: the worker's Chancy, for jobs that push.
    """

    worker: str
    concurrency: int
    result_limit_bytes: int
    functions: Functions
    around: Around = Around()
    progressed: TellProgress = _unheard
    meta_limit_bytes: int = META_LIMIT_BYTES
    chancy: Chancy | None = None

    def application(self) -> Chancy:
        """The worker's Chancy. Raises NotOpen if there is none."""
        if self.chancy is None:
            raise NotOpen(NOBODY_S)
        return self.chancy

    def for_elsewhere(self, *enforces: Any) -> RunSettings:
        """What `run_job` has to know where it is called instead of here.

        Args:
            enforces: the limits that are enforced there by other means, such as killing the process.
        """
        return RunSettings(
            self.functions.allowed,
            self.around.plugins,
            self.result_limit_bytes,
            self.meta_limit_bytes,
            frozenset(enforces),
            elsewhere(self.chancy),
        )


class Executor(abc.ABC):
    """Runs the jobs of one queue on one worker.

    Subclass it, and name the subclass's import path as a queue's `executor`; the queue's
    `executor_options` are passed as keyword arguments after the settings.

    Attributes:
        enforces: the limits it enforces. A job with another limit is refused.
    """

    enforces: ClassVar[frozenset[Any]] = frozenset()
    # How many jobs it can run at a time now; None: as many as its queue lets it.
    slots: int | None = None

    def __init__(self, settings: ExecutorSettings) -> None:
        self.settings = settings
        self.finder = Finder(settings.functions)
        self.runner = Runner(
            settings.result_limit_bytes, settings.meta_limit_bytes, settings.around, settings.application
        )
        self._stopping: dict[Any, StopReason] = {}
        self._controls: dict[Any, Control] = {}
        # Called when `slots` have changed, so that whoever claims for it looks again.
        self.slots_changed: Callable[[], None] = _nobody_claims

    def share_runs(self, other: Executor) -> None:
        """Know what `other` knows of the runs that go on: for an executor made of several. Before the first run."""
        self._stopping, self._controls = other._stopping, other._controls

    async def start(self) -> None:  # noqa: B027 -- few need one
        """Called once, on the worker's loop, before the first job."""

    async def close(self) -> None:  # noqa: B027
        """Called once, on the worker's loop, when no job runs any more or nobody waits for one."""

    def offer(self, slots: int | None) -> None:
        """Say how many jobs it can run at a time from now on, on the worker's loop; what runs is not touched.

        Args:
            slots: no more than the queue's `concurrency` are claimed in any case; 0: none, as while an engine is away.
                None: as many as the queue lets it.
        """
        if slots is not None and (not isinstance(slots, int) or slots < 0):
            raise InvalidReport(f"{type(self).__name__} offers {slots!r:.60} slots: give a whole number, or None.")
        if slots != self.slots:
            self.slots = slots
            self.slots_changed()

    def slots_of(self, concurrency: int) -> int:
        """How many jobs it can run at a time now, of so many that its queue lets it."""
        return concurrency if self.slots is None else min(self.slots, concurrency)

    @abc.abstractmethod
    async def run(self, job: QueuedJob) -> Report:
        """Run one job. Called in a task of its own, on the worker's loop.

        It reports what the function returned or raised, whatever the job does, raising `SystemExit` included; what that
        means for the job, the worker decides. When its task is cancelled (see `stop`) it stops the job if it can, and
        reports what the run raised, or the cancellation itself.
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
        function = self.settings.functions.known(job.func)
        limit_s = time_limit_s(filled(job, function)[0] if function is not None else job)
        control = Control(partial(self.settings.progressed, job), limit_s)
        key = (job.id, job.claims)
        self._controls[key] = control
        reason = self._stopping.get(key)
        if reason is not None:
            control.stop(reason.value)
        return control

    def forget(self, job: QueuedJob) -> None:
        """Called when a job has ended, so that a stop that came too late is not kept."""
        if self._stopping or self._controls:
            self._stopping.pop((job.id, job.claims), None)
            self._controls.pop((job.id, job.claims), None)

    def check_not_stopped(self, job: QueuedJob) -> None:
        """Raise CancelledError if the job was stopped while its function was being looked for: it is not begun then."""
        if self._stopping and (job.id, job.claims) in self._stopping:
            raise asyncio.CancelledError

    def find(self, job: QueuedJob) -> Function:
        """The job's function, checked against its arguments and its limits.

        Raises:
            CannotRunHere: it does not import here, may not be run here, or is no function.
            CannotRun: no retry would help: it does not take the arguments, or a limit cannot be enforced.
        """
        if job.limits:
            self.check_limits(job)
        function = self.settings.functions.find(job)
        asked, declared = filled(job, function)
        if declared is not None:
            self.check_limits(asked)
        return function

    def check_limits(self, job: QueuedJob) -> None:
        """Raise LimitNotEnforced if the job has a limit that this executor does not enforce."""
        for limit in job.limits:
            if limit.type_ not in self.enforces:
                raise LimitNotEnforced(
                    f"{type(self).__name__} cannot enforce the {limit.type_.value} limit of {job.func} and "
                    "does not run it without: remove the limit, or use a queue whose executor enforces it."
                )
