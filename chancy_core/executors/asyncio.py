"""Coroutine functions, on the worker's own loop."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from chancy_core.errors import CannotRun
from chancy_core.executors.base import Executor, ExecutorSettings
from chancy_core.executors.functions import Function, filled
from chancy_core.executors.report import Report, reported, with_declared
from chancy_core.executors.returning import DONE, settled
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.turns import Turns


class AsyncExecutor(Executor):
    """Runs coroutine functions on the worker's event loop.

    Enforces the time limit by cancelling the job; one that goes on although it was cancelled is cancelled again every
    second, and has failed whatever it returns. A job that blocks the loop holds up its neighbours: blocking functions
    belong on `Chancy.Executor.Threaded`.
    """

    enforces: ClassVar[frozenset[Any]] = frozenset({Limit.Type.TIME})

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        # Who may encode a large result: many that are ready at once would hold up the loop.
        self._turns = Turns()

    async def run(self, job: QueuedJob) -> Report:
        """Run one job. See `Executor.run`."""
        try:
            function = self.settings.functions.find_known(job) or await self.finder.find(job)
            job, declared = filled(job, function)
            if job.limits:
                self.check_limits(job)
            if not function.is_async:
                raise CannotRun(  # noqa: TRY301 -- recorded as what the attempt raised
                    f"{job.func} is not a coroutine function, and its queue {job.queue!r} runs only those: make "
                    "it `async def`, or use a queue with Chancy.Executor.Auto or Threaded."
                )
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return Report.not_begun(error)
        return with_declared(await self.run_function(job, function), declared)

    async def run_function(self, job: QueuedJob, function: Function) -> Report:
        """Run a coroutine function that has been found already. Never raises."""
        if job.limits or function.injected or self.runner.around.plugins or job.json != "plain":
            return await self.runner.run_async(job, function, self.control(job), self._turns)
        # The same without what such a job has no use for: short jobs are made of this.
        start = time.perf_counter()
        try:
            value = await function.call(**job.kwargs)
            if type(value) not in DONE:
                value = await settled(job.func, value)
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            return Report.raised(error, run_s=time.perf_counter() - start)
        run_s = time.perf_counter() - start
        if value is None:
            return Report(run_s=run_s)
        if self._turns.used_up():
            await self._turns.mine_or_now()
        limit_bytes = self.settings.result_limit_bytes
        return reported(value, run_s=run_s, keep=job.keep_result, limit_bytes=limit_bytes, turns=self._turns)
