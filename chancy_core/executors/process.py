"""Any function, in child processes: where limits are enforced whatever the job does."""

from __future__ import annotations

import asyncio
import sys
from contextvars import Context
from typing import Any, ClassVar, Final

from msgspec.structs import replace

from chancy_core.errors import CannotRunHere, InvalidQueue, LimitNotEnforced, MemoryLimitExceeded
from chancy_core.executors import memory
from chancy_core.executors.base import Executor, ExecutorSettings, StopReason
from chancy_core.executors.control import time_limit_s
from chancy_core.executors.door import checked
from chancy_core.executors.processes.children import Children, Upkeep
from chancy_core.executors.processes.deaths import MIB, error_of, mib
from chancy_core.executors.processes.frames import encode_job
from chancy_core.executors.processes.guard import KillReason
from chancy_core.executors.processes.handle import Child
from chancy_core.executors.processes.nursery import FORK, SPAWN
from chancy_core.executors.processes.ready import Ready
from chancy_core.executors.processes.runs import Death, HowEnded, Terms
from chancy_core.executors.report import Report, begins_anew, with_declared
from chancy_core.executors.taking import Ended, Moved, TakesAhead
from chancy_core.values.declared import Declared
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob

START_METHODS: Final = (FORK, SPAWN)
# A run that a child has not begun, because it knows of more limits, is begun once more.
TOLD_TWICE: Final = 2
NO_CHILD: Final = "No child process could be made ready for it"


class ProcessExecutor(Executor, TakesAhead):
    """Runs functions of both kinds in child processes, which are kept and used again.

    There are never more children than jobs that run at a time, and no more than leave some descriptors for other uses
    (`ulimit -n`): jobs wait for a child then. One that dies takes only its own job with it. While jobs are short, a
    child has its next one already, which comes back when the one before goes on, or when the child dies.

    Both limits are enforced: a run that exceeds its memory limit is killed; one that exceeds its time limit is told
    first (a coroutine is cancelled; `checkpoint` raises), and killed after `grace_s`.

    Args:
        settings: what the worker tells it.
        start_method: `forkserver`, quick and sparing, or `spawn`, where each child is a fresh interpreter.
            By default the first, but on macOS, whose libraries do not all survive a fork.
        maximum_jobs_per_worker: a child is replaced after so many jobs.
        replace_above_bytes: a child that holds more than that after a job is replaced.
        keep_idle_s: seconds after which a child without work is ended.
        grace_s: seconds between being told to stop and being killed.
        start_within_s: seconds that a job with a time limit may take until its function starts.
        initializer: the importable name of a function that each child calls before its first job.
        preload: modules that are imported once, before children are forked.
    """

    enforces: ClassVar[frozenset[Any]] = frozenset(Limit.Type)

    def __init__(
        self,
        settings: ExecutorSettings,
        *,
        start_method: str | None = None,
        maximum_jobs_per_worker: int = 1000,
        replace_above_bytes: float = 1024 * MIB,
        keep_idle_s: float = 60.0,
        grace_s: float = 1.0,
        start_within_s: float = 60.0,
        initializer: str | None = None,
        preload: list[str] | None = None,
    ) -> None:
        super().__init__(settings)
        method = start_method or (SPAWN if sys.platform == "darwin" else FORK)
        if method not in START_METHODS:
            raise InvalidQueue(f"start_method is {start_method!r}: give one of {', '.join(START_METHODS)}.")
        for name, value, low in (
            ("maximum_jobs_per_worker", maximum_jobs_per_worker, 1),
            ("replace_above_bytes", replace_above_bytes, 1),
            ("keep_idle_s", keep_idle_s, 0),
            ("grace_s", grace_s, 0),
            ("start_within_s", start_within_s, 0.1),
        ):
            if not isinstance(value, int | float) or isinstance(value, bool) or not value >= low:
                raise InvalidQueue(f"{name} is {value!r}: give a number, at least {low}.")
        self._grace_s = grace_s
        self._start_within_s = start_within_s
        preload = preload or []
        self._check_names(initializer, preload)
        self._children: Final = Children(
            settings,
            Upkeep(
                executor=type(self).__name__,
                method=method,
                maximum_jobs=maximum_jobs_per_worker,
                replace_above_bytes=replace_above_bytes,
                keep_idle_s=keep_idle_s,
                grace_s=grace_s,
                initializer=initializer,
                preload=preload,
            ),
        )
        self._no_limits: Final = Terms(None, None, grace_s, start_within_s)
        self._busy: dict[Any, Child] = {}
        # Those that were taken, by the job's identity in memory, and those of them that are begun once more, in a task.
        self._taken: dict[int, Child] = {}
        # The children whose next job may be there before this one ends, and those whose next job is.
        self._ready: Final = Ready(self._children, self._came_back)
        self._moved: dict[int, Moved] = {}
        self._again: dict[int, asyncio.Task[None]] = {}
        # By a function's name, what a child has said of it.
        self._declared: dict[str, Declared] = {}

    def _check_names(self, initializer: object, preload: object) -> None:
        """What the options name is imported, and called: they stand in a table, as the names of functions do."""
        if initializer is not None and not isinstance(initializer, str):
            raise InvalidQueue(f"initializer is {initializer!r}: give the importable name of a function.")
        if not isinstance(preload, list) or not all(isinstance(name, str) for name in preload):
            raise InvalidQueue(f'preload is {preload!r}: give a list of modules, such as ["app.models"].')
        functions = self.settings.functions
        try:
            if initializer is not None:
                # Where it lives is looked at in the child, which imports it.
                functions.check_name(initializer)
            for name in preload:
                functions.check_module(name)
        except CannotRunHere as error:
            raise InvalidQueue(str(error)) from error

    # -- its life --------------------------------------------------------------------------

    async def start(self) -> None:
        """Make sure that what plugins put round a job can be sent to a child.

        Raises:
            PluginError: a plugin's `around_job` cannot, and why.
        """
        self._children.settings_pickled()

    async def close(self) -> None:
        """End the children; those that still run a job are killed."""
        self._ready.close()
        await self._children.close()

    # -- one run ---------------------------------------------------------------------------

    async def run(self, job: QueuedJob) -> Report:
        """Run one job. See `Executor.run`."""
        declared = self._declared.get(job.func)
        for _ in range(TOLD_TWICE):
            asked = job if declared is None else declared.filled(job)
            report = await self._run(asked)
            if report.declared is None or report.declared == declared:
                break
            # The child has seen what `@job` says of the function, which is known from now on. If it has not begun, that
            # has a limit which this side has to enforce.
            declared = self._declared[job.func] = report.declared
            if report.begun:
                asked = declared.filled(job)
                break
        return with_declared(report, None if asked is job else declared)

    async def _run(self, job: QueuedJob) -> Report:
        try:
            terms = self._terms(job)
            payload = encode_job(job)
            child = await self._children.take(terms)
        except OSError as error:
            return Report.not_begun(CannotRunHere(f"{NO_CHILD}: {error}"))
        except BaseException as error:  # noqa: BLE001 -- arguments that a plugin put there may raise anything
            return Report.not_begun(error)
        key = (job.id, job.claims)
        self._busy[key] = child
        try:
            ended = await child.run(job, payload, terms)
        finally:
            del self._busy[key]
            self._children.give_back(child)
        return self._came(job, terms, child, ended)

    # -- jobs that need no task ------------------------------------------------------------

    def take(self, job: QueuedJob, context: Context, ended: Ended) -> bool:
        """Run a job without limits in a child that is there, or can be. See `Takes`."""
        if job.limits or job.func in self._declared:
            return False
        try:
            payload = encode_job(job)
            child = self._children.take_now(self._no_limits)
        except BaseException:  # noqa: BLE001 -- `run` finds the same, and tells of it
            return False
        if child is None:
            return False
        child.begin(job, payload, self._no_limits, self._how_ended(job, child, context, ended))
        self._ready.runs(child)
        return True

    def take_ahead(self, job: QueuedJob, context: Context, ended: Ended, moved: Moved) -> bool:
        """Run a job without limits after one that runs, if that one is short so far. See `TakesAhead`."""
        if job.limits or job.func in self._declared:
            return False
        child = self._ready.child_with_room()
        if child is None:
            return False
        try:
            payload = encode_job(job)
        except BaseException:  # noqa: BLE001 -- `run` finds the same, and tells of it
            return False

        def how_moved(begins: bool) -> None:
            if begins:
                self._ready.runs(child)
                moved(job, True)
            else:
                self._came_back(job)

        self._moved[id(job)] = moved
        child.send_ahead(job, payload, self._no_limits, self._how_ended(job, child, context, ended), how_moved)
        self._ready.sent(child)
        return True

    def take_back(self) -> list[QueuedJob]:
        """The jobs that were sent ahead, and have not begun. See `TakesAhead`."""
        back = self._ready.take_back()
        for job in back:
            del self._taken[id(job)]
            self._moved.pop(id(job), None)
        return back

    def _came_back(self, job: QueuedJob) -> None:
        """A job that was sent ahead is run elsewhere."""
        del self._taken[id(job)]
        self._moved.pop(id(job))(job, False)

    def _how_ended(self, job: QueuedJob, child: Child, context: Context, ended: Ended) -> HowEnded:
        self._taken[id(job)] = child

        def how_ended(how: Report | Death) -> None:
            context.run(self._taken_ended, job, child, ended, how)

        return how_ended

    def wake(self) -> None:
        """Nothing: children have been told."""

    def stop_taken(self, job: QueuedJob, reason: StopReason) -> None:
        """As `stop`."""
        task = self._again.get(id(job))
        if task is not None:
            self.stop(job, task, reason)
            return
        child = self._taken.get(id(job))
        if child is not None:
            self.tell(job, reason)
            child.stop(job, reason)

    def _taken_ended(self, job: QueuedJob, child: Child, ended: Ended, how: Report | Death) -> None:
        del self._taken[id(job)]
        self._moved.pop(id(job), None)
        self._ready.ended(child, anew=isinstance(how, Report) and begins_anew(how))
        try:
            report = self._came(job, self._no_limits, child, how)
        except BaseException as error:  # noqa: BLE001 -- what the child said is none, say
            report = Report.raised(error)
        declared = report.declared
        if declared is not None:
            self._declared[job.func] = declared
            if begins_anew(report):
                # It has limits that this side has to enforce. `run` knows of them now.
                self._again[id(job)] = asyncio.create_task(self._run_again(job, ended))
                return
            report = with_declared(report, None if declared.filled(job) is job else declared)
        ended([(job, report)])

    async def _run_again(self, job: QueuedJob, ended: Ended) -> None:
        try:
            report = await self.run(job)
        except BaseException as error:  # noqa: BLE001 -- it was cancelled, say
            report = Report.raised(error)
        del self._again[id(job)]
        ended([(job, report)])

    # -- what both have --------------------------------------------------------------------

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Tell a running job to stop; it is killed if it has not after `grace_s`."""
        self.tell(job, reason)
        child = self._busy.get((job.id, job.claims))
        if child is not None:
            child.stop(job, reason)
        else:
            task.cancel()

    def check_limits(self, job: QueuedJob) -> None:
        """Raise LimitNotEnforced if the job has a limit that cannot be enforced here."""
        super().check_limits(job)
        if _memory_limit(job) is not None and not memory.can_measure():
            raise LimitNotEnforced(
                f"The memory limit of {job.func} cannot be enforced on this system without psutil: install it."
            )

    def _terms(self, job: QueuedJob) -> Terms:
        if not job.limits:
            return self._no_limits
        self.check_limits(job)
        return Terms(time_limit_s(job), _memory_limit(job), self._grace_s, self._start_within_s)

    def _came(self, job: QueuedJob, terms: Terms, child: Child, how: Report | Death) -> Report:
        return self._died(job, terms, child, how) if isinstance(how, Death) else self._ended(job, terms, how)

    def _ended(self, job: QueuedJob, terms: Terms, report: Report) -> Report:
        # A child may be made to say anything by the job that runs in it.
        report = checked(job.func, report, self)
        peak = report.peak_bytes or 0
        if terms.memory_bytes is None or peak <= terms.memory_bytes:
            return report
        # It was too quick to be caught in the act; over its limit is over its limit.
        over = MemoryLimitExceeded(f"{job.func} held {mib(peak)}: its memory limit is {mib(terms.memory_bytes)}.")
        return replace(Report.raised(over, run_s=report.run_s), peak_bytes=peak, meta=report.meta)

    def _died(self, job: QueuedJob, terms: Terms, child: Child, death: Death) -> Report:
        if not death.begun:
            return Report.not_begun(CannotRunHere(f"{NO_CHILD}: {death.problem}"))
        error = error_of(job, terms, child, death)
        if death.killed_for is KillReason.NOT_STARTED:
            return Report.not_begun(CannotRunHere(str(error)))
        report = Report.raised(error, run_s=death.used_s)
        return replace(report, peak_bytes=death.peak_bytes or None)


def _memory_limit(job: QueuedJob) -> float | None:
    return next((limit.value for limit in job.limits if limit.type_ is Limit.Type.MEMORY), None)
