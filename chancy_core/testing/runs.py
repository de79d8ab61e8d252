"""Run one job of a test where the test runs: in its thread, or on its event loop.

What calls the function is what calls it in a worker: the same search for it, the same checks of its arguments, what
plugins put round it, its context, its limits as far as they can be kept without a process of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chancy_core.app.handed import is_django
from chancy_core.errors import CannotRun
from chancy_core.executors import Report
from chancy_core.executors.control import Control, time_limit_s
from chancy_core.executors.functions import Function, Functions, filled
from chancy_core.executors.report import with_declared
from chancy_core.executors.running import Runner
from chancy_core.values.declared import Declared
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Progress, QueuedJob

if TYPE_CHECKING:
    from chancy_core.app import Chancy

# The word of a queue whose workers run coroutine functions and nothing else.
ASYNCIO: Final = "asyncio"


class Prepared(NamedTuple):
    """A run that may begin.

    Attributes:
        job: the run's job, with what its function declares.
        function: its function.
        control: the line to the run.
        declared: what was added to what the job's row says.
    """

    job: QueuedJob
    function: Function
    control: Control
    declared: Declared | None


class Runs:
    """Runs jobs, one at a time.

    Args:
        chancy: the Chancy of the jobs.

    Attributes:
        progress: the latest progress that each run has told, by the job's id and claims.
    """

    def __init__(self, chancy: Chancy) -> None:
        settings = chancy.settings
        self._functions: Final = Functions(settings.functions)
        self._runner: Final = Runner(
            settings.result_limit_bytes, settings.payload_limit_bytes, chancy.plugins.around(), lambda: chancy
        )
        self.progress: Final[dict[Any, Progress]] = {}

    def prepared(self, job: QueuedJob, queue: Queue) -> Prepared | Report:
        """Find the job's function and check what it is given; or the report of a run that cannot be begun."""
        try:
            function = self._functions.find(job)
            asked, declared = filled(job, function)
            if queue.executor == ASYNCIO and not function.is_async:
                raise CannotRun(  # noqa: TRY301 -- recorded as what the attempt raised
                    f"{job.func} is not a coroutine function, and its queue {job.queue!r} runs only those: make it "
                    "`async def`, or use a queue with Chancy.Executor.Auto or Threaded."
                )
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return Report.not_begun(error)
        control = Control(partial(self.progress.__setitem__, (job.id, job.claims)), time_limit_s(asked))
        return Prepared(asked, function, control, declared)

    def run_here(self, job: QueuedJob, queue: Queue, awaiting: Callable[[Coroutine[Any, Any, Any]], Any]) -> Report:
        """Run a job in the thread that calls this, where no event loop runs. Never raises, but for an interrupt.

        Args:
            job: the job.
            queue: its queue.
            awaiting: awaits a coroutine, on a loop.
        """
        ready = self.prepared(job, queue)
        if isinstance(ready, Report):
            return ready
        # What a job puts into context variables is not there for the next one.
        context = contextvars.copy_context()
        if ready.function.is_async:
            report: Report = context.run(lambda: awaiting(self._run_async(ready)))
            return report
        return context.run(self._run_sync, ready)

    async def run_on_loop(self, job: QueuedJob, queue: Queue) -> Report:
        """Run a job from an event loop: a coroutine function on it, another one in a thread."""
        ready = self.prepared(job, queue)
        if isinstance(ready, Report):
            return ready
        if ready.function.is_async:
            return await asyncio.create_task(self._run_async(ready), context=contextvars.copy_context())
        return await asyncio.to_thread(self._run_sync, ready)

    # A worker keeps resources until it stops. Here no worker does, and the next test may provide others.

    def _run_sync(self, ready: Prepared) -> Report:
        try:
            report = self._runner.run_sync(ready.job, ready.function, ready.control)
        finally:
            if ready.function.resources is not None:
                ready.function.resources.close_plain()
        return with_declared(report, ready.declared)

    async def _run_async(self, ready: Prepared) -> Report:
        try:
            report = await self._runner.run_async(ready.job, ready.function, ready.control)
        finally:
            if ready.function.resources is not None:
                await ready.function.resources.close()
        return with_declared(report, ready.declared)


def through_asgiref(given: Any) -> Callable[[Coroutine[Any, Any, Any]], Any] | None:
    """Awaits a coroutine so that what it does with `sync_to_async` runs in the thread that waits.

    Django's connection belongs to a thread: that of the test has the transaction. None: the test's is not Django's.
    """
    if not is_django(given):
        return None
    from asgiref.sync import async_to_sync  # noqa: PLC0415 -- it comes with Django

    async def awaited(call: Coroutine[Any, Any, Any]) -> Any:
        return await call

    found: Callable[[Coroutine[Any, Any, Any]], Any] = async_to_sync(awaited)
    return found
