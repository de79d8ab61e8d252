"""Run jobs where no worker is: in a child process, in an engine of somebody else's, on another machine."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from chancy_core.errors import CannotRunHere, LimitNotEnforced
from chancy_core.executors.application import Own
from chancy_core.executors.control import Control, time_limit_s
from chancy_core.executors.functions import Function, Functions, filled
from chancy_core.executors.report import META_LIMIT_BYTES, RESULT_LIMIT_BYTES, Report, portable, with_declared
from chancy_core.executors.running import Runner
from chancy_core.plugins import Around, Plugin
from chancy_core.values.declared import Declared
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob

if TYPE_CHECKING:
    from chancy_core.app import Chancy


class RunSettings(NamedTuple):
    """What has to be known to run jobs elsewhere. It can be pickled, if the plugins can.

    An executor has it of its worker: `self.settings.for_elsewhere()`.

    Attributes:
        functions: patterns of names that may be run; None: any.
        around: the plugins that put something round each run.
        result_limit_bytes: the largest result that is kept.
        meta_limit_bytes: the largest meta that is kept, if a run changed it.
        enforces: the limits that whoever calls enforces by other means, such as killing the process.
        chancy: makes the Chancy of jobs that push; None: they cannot.
    """

    functions: tuple[str, ...] | None = None
    around: tuple[Plugin, ...] = ()
    result_limit_bytes: int = RESULT_LIMIT_BYTES
    meta_limit_bytes: int = META_LIMIT_BYTES
    enforces: frozenset[Any] = frozenset()
    chancy: Callable[[], Chancy] | None = None


def run_job(job: QueuedJob, settings: RunSettings, control: Control | None = None) -> Report:
    """Run one job, here and now, as an executor of a worker would: with what plugins put round it, and its context.

    It blocks until the run is over, and never raises, whatever the job does; a job that ends the process ends it. The
    report can be pickled, or encoded with msgspec, and holds no exception but what there is to say of it.

    A time limit is enforced for coroutine functions, and for those that have a `JobContext` at their checkpoints; a job
    with another limit is refused, unless `settings.enforces` has it.

    Args:
        job: as the executor was given it.
        settings: what else has to be known.
        control: the line to the run: `control.stop(reason)` from another thread lets its next checkpoint raise. None:
            nobody stops it, and nobody hears of its progress.
    """
    with JobRunner(settings) as runner:
        return portable(runner.run(job, control))


class Heard:
    """What whoever runs a job wants to know of the run while it goes on. By default nothing."""

    def begins(self) -> None:
        """The function is about to be called: its module is imported, and what it is given is set up."""

    def runs_in(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        """It is a coroutine function, which runs in this task of this loop."""


class JobRunner:
    """Runs jobs one at a time in the thread that calls it: what `run_job` is made of, for those who run many.

    Functions are found once, and coroutine functions share one event loop, so that connections which a module keeps
    stay good. Use it in a `with` block.

    Args:
        settings: what has to be known.
        before_finding: called with each job before its function is looked for.
    """

    def __init__(self, settings: RunSettings, before_finding: Callable[[QueuedJob], None] | None = None) -> None:
        self.functions: Final = Functions(settings.functions)
        self._enforces: Final = settings.enforces
        self._chancy: Final = Own(settings.chancy)
        self._runner: Final = Runner(
            settings.result_limit_bytes, settings.meta_limit_bytes, Around(settings.around), self._chancy
        )
        self._before_finding: Final = before_finding
        self._loop: Final = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        resources = self.functions.resources
        try:
            if resources.looped:
                self._loop.run(resources.close_here())
            resources.close_plain()
        finally:
            try:
                self._chancy.close()
            finally:
                self._loop.close()

    def run(self, job: QueuedJob, control: Control | None = None, heard: Heard | None = None) -> Report:
        """Run one job. Never raises. See `run_job`."""
        control = control or Control(limit_s=time_limit_s(job))
        heard = heard or Heard()
        declared: Declared | None = None
        try:
            function = self._find(job)
            asked, declared = filled(job, function)
            self._check_limits(job, asked, function)
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return with_declared(Report.not_begun(error), declared)
        if asked is not job and control.limit_s is None:
            control.limit_s = time_limit_s(asked)
        return with_declared(self._run(asked, function, control, heard), declared)

    def _run(self, job: QueuedJob, function: Function, control: Control, heard: Heard) -> Report:
        try:
            control.begins = heard.begins
            # What a job puts into context variables is not there for the next one.
            context = contextvars.copy_context()
            if not function.is_async:
                return context.run(self._runner.run_sync, job, function, control)
            return self._loop.run(self._run_async(job, function, control, heard), context=context)
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            return Report.raised(error, run_s=control.used_s)

    def _find(self, job: QueuedJob) -> Function:
        if self._before_finding is not None:
            self._before_finding(job)
        function = self.functions.find(job)
        if function.is_async and asyncio._get_running_loop() is not None:  # noqa: SLF001 -- None, where others raise
            raise CannotRunHere(
                f"{job.func} is a coroutine function, and runs on a loop of its own, but this thread runs one already: "
                "call run_job in another thread, as with asyncio.to_thread."
            )
        return function

    def _check_limits(self, job: QueuedJob, asked: QueuedJob, function: Function) -> None:
        """Raise LimitNotEnforced if a limit cannot be enforced.

        Args:
            job: as whoever calls has it, who enforces what its row says.
            asked: with the limits of `@job`.
            function: its function.
        """
        for limit in asked.limits:
            told = limit in job.limits
            if told and limit.type_ in self._enforces:
                continue
            by_itself = limit.type_ is Limit.Type.TIME and (function.is_async or function.context)
            if by_itself and limit.type_ not in self._enforces:
                continue
            raise LimitNotEnforced(
                f"The {limit.type_.value} limit of {job.func} cannot be enforced where it was to be run, and it is not "
                "run without: remove the limit, or use a queue whose executor enforces it."
                + ("" if told else " The limit is declared by @job, and the job's row lacks it.")
            )

    async def _run_async(self, job: QueuedJob, function: Function, control: Control, heard: Heard) -> Report:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in one
        heard.runs_in(asyncio.get_running_loop(), task)
        return await self._runner.run_async(job, function, control)
