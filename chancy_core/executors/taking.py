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
