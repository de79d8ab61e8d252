"""What an executor may do beside `run`: take a job without a task for it, which is what short jobs cost most."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import TypeAlias

from chancy_core.executors.base import StopReason
from chancy_core.executors.report import Report
from chancy_core.values.queuedjob import QueuedJob

# Called on the loop with jobs that were taken and have ended, and the reports of their runs: once for each job, never
# from within `take` or `wake`. Those that are seen to have ended together are told together.
Ended: TypeAlias = Callable[[Sequence[tuple[QueuedJob, Report]]], None]
# Called on the loop with a job that was taken ahead: that it begins (True), just before the end of the one before it is
# told, or that it comes back and never will here (False).
Moved: TypeAlias = Callable[[QueuedJob, bool], None]


class Takes(abc.ABC):
    """An executor that can run some jobs without a task for each. All of it is called on the worker's loop."""

    @abc.abstractmethod
    def take(self, job: QueuedJob, context: Context, ended: Ended) -> bool:
        """Run a job in this context, and call `ended`; or False: this one needs a task, in which `run` is called.

        It is on its way only with the next `wake`. A job that is taken is stopped by `stop_taken`.

        Args:
            job: the job.
            context: for this run alone.
            ended: told of its end; the same for all jobs of an executor.
        """

    @abc.abstractmethod
    def wake(self) -> None:
        """Let those run that were taken."""

    @abc.abstractmethod
    def stop_taken(self, job: QueuedJob, reason: StopReason) -> None:
        """As `Executor.stop`, for a job that was taken. If it is given up for that, it has ended when this returns."""


class TakesAhead(Takes):
    """One that can also keep the next job ready where another one runs, so that nobody has to wait for it in between.

    Such a job has no slot. It gets that of the one before it, when this has ended. Nobody may be kept waiting by a
    job that is not short: what lies behind one comes back after moments.
    """

    @abc.abstractmethod
    def take_ahead(self, job: QueuedJob, context: Context, ended: Ended, moved: Moved) -> bool:
        """Run a job after one that runs; or False: there is no place for it.

        Args:
            job: the job.
            context: for this run alone.
            ended: as of `take`.
            moved: told what becomes of it; not called for those that `take_back` returns.
        """

    @abc.abstractmethod
    def take_back(self) -> list[QueuedJob]:
        """The jobs that were taken ahead and have not begun, which they never will here. The others have begun."""
