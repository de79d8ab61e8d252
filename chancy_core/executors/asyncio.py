"""Coroutine functions, on the worker's own loop."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

from chancy_core.errors import CannotRun, TimeLimitExceeded
from chancy_core.executors.base import Executor, time_limit_s
from chancy_core.executors.functions import Function
from chancy_core.executors.outcomes import succeeded
from chancy_core.job import Limit, Outcome, QueuedJob


class AsyncExecutor(Executor):
    """Runs coroutine functions on the worker's event loop.

    Enforces the time limit by cancelling the job. A job that blocks the loop holds up its
    neighbours: blocking functions belong on `Chancy.Executor.Threaded`.
    """

    enforces: ClassVar[frozenset[Any]] = frozenset({Limit.Type.TIME})

    async def run(self, job: QueuedJob) -> Outcome:
        """Run one job. See `Executor.run`."""
        start = time.perf_counter()
        try:
            function = self.find(job)
            if not function.is_async:
                raise CannotRun(  # noqa: TRY301 -- recorded as what the attempt raised
                    f"{job.func} is not a coroutine function, and its queue {job.queue!r} runs only those: make "
                    "it `async def`, or use a queue with Chancy.Executor.Auto or Threaded."
                )
            return await self.run_function(job, function)
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            return self.stopped(job) or self.failed(job, error, time.perf_counter() - start)

    async def run_function(self, job: QueuedJob, function: Function) -> Outcome:
        """Run a coroutine function that has been found already; raises what it raises."""
        start = time.perf_counter()
        limit_s = time_limit_s(job) if job.limits else None
        if limit_s is None:
            value = await function.call(**job.kwargs)
        else:
            value = await _within(limit_s, job, function)
        return succeeded(
            job,
            value,
            limit_bytes=self.settings.result_limit_bytes,
            run_s=time.perf_counter() - start,
        )


async def _within(limit_s: float, job: QueuedJob, function: Function) -> Any:
    start = time.perf_counter()
    try:
        async with asyncio.timeout(limit_s) as deadline:
            return await function.call(**job.kwargs)
    except TimeoutError:
        if not deadline.expired():
            raise
        used_s = time.perf_counter() - start
        raise TimeLimitExceeded(f"{job.func} ran for {used_s:.3f} s: its time limit is {limit_s:g} s.") from None
