"""Call a job's function, and report whatever it does: the same in a loop, a thread and a child process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from chancy_core.errors import CannotRun, InvalidJob, TimeLimitExceeded
from chancy_core.executors.arguments import arguments_of
from chancy_core.executors.context import context_of
from chancy_core.executors.control import Control
from chancy_core.executors.functions import Function
from chancy_core.executors.report import Report, reported
from chancy_core.executors.returning import awaited, settled_here
from chancy_core.plugins import Around
from chancy_core.values.jsonvalue import encode_checked
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.storable import noted
from chancy_core.values.turns import Turns

# How often a coroutine that goes on although it was cancelled is cancelled again.
CANCEL_AGAIN_S: Final = 5.0


class Runner(NamedTuple):
    """What has to be known to run functions.

    Attributes:
        result_limit_bytes: the largest result that is kept.
        meta_limit_bytes: the largest meta that is kept, if the run changed it.
        around: what plugins put round each run.
        application: gives the run its Chancy, if it asks for it.
    """

    result_limit_bytes: int
    meta_limit_bytes: int
    around: Around
    application: Callable[[], Any] | None = None

    def run_sync(self, job: QueuedJob, function: Function, control: Control) -> Report:
        """Run a plain function, in the thread that calls this. Never raises.

        Args:
            job: the run.
            function: its function, found and checked.
            control: the run's line.
        """
        given: dict[str, Any] = {}
        if function.resources is not None:
            try:
                given = function.resources.plain(function.signature.provided)
            except BaseException as error:  # noqa: BLE001 -- such as KeyboardInterrupt, while it was set up
                return Report.not_begun(error)
        control.begin()
        try:
            run = _OneRun(self, job, function, control, given)
        except CannotRun as error:
            return Report.not_begun(error)
        try:
            with self.around.entered(run.job):
                value = settled_here(job.func, function.call(**run.kwargs))
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            return run.raised(error)
        return run.returned(value, control.used_s)

    async def run_async(
        self, job: QueuedJob, function: Function, control: Control, turns: Turns | None = None
    ) -> Report:
        """Run a coroutine function, in the task that awaits this. Never raises; see `run_sync`.

        Where others run in the same loop, `turns` say who may encode a large result.
        """
        given: dict[str, Any] = {}
        if function.resources is not None:
            try:
                given = await function.resources.here(function.signature.provided)
            except BaseException as error:  # noqa: BLE001 -- it may be cancelled meanwhile
                return Report.not_begun(error)
        control.begin()
        try:
            run = _OneRun(self, job, function, control, given)
        except CannotRun as error:
            return Report.not_begun(error)
        try:
            with self.around.entered(run.job):
                call = awaited(job.func, function.call(**run.kwargs))
                value = await (call if control.limit_s is None else run.within(control.limit_s, call))
        except BaseException as error:  # noqa: BLE001 -- whatever a job raises is its own affair
            return run.raised(error)
        run_s = control.used_s
        if turns is not None and turns.used_up():
            await turns.mine_or_now()
        return run.returned(value, run_s, turns)


class _OneRun:
    """One run: its arguments, and what it came to."""

    __slots__ = ("_claimed", "_control", "_meta", "_runner", "job", "kwargs")

    def __init__(
        self, runner: Runner, job: QueuedJob, function: Function, control: Control, given: dict[str, Any]
    ) -> None:
        self._runner = runner
        self._control = control
        self._meta: bytes | None = None
        self._claimed = self.job = job
        self.kwargs: dict[str, Any] = job.kwargs if job.json == "plain" else arguments_of(job, function.call)
        if function.context:
            control.application = runner.application
            self.job = context = context_of(job, control)
            self._meta = _meta(context)
            self.kwargs = {**self.kwargs, **dict.fromkeys(function.context, context)}
        if given:
            self.kwargs = {**self.kwargs, **given}

    async def within(self, limit_s: float, call: Coroutine[Any, Any, Any]) -> Any:
        """Await `call` for at most `limit_s` seconds.

        Raises:
            TimeLimitExceeded: it was cancelled for that. Raised here, so that what plugins put round the run learns it.
        """
        try:
            return await _within(limit_s, call)
        except _OverTime:
            raise over_time(self._claimed, self._control.used_s, limit_s) from None

    def returned(self, value: Any, run_s: float, turns: Turns | None = None) -> Report:
        """The report of a run that returned after so many seconds."""
        limit_s = self._control.limit_s
        if limit_s is not None and run_s > limit_s:
            # It swallowed its cancellation, or had no checkpoint in time: over its limit is over its limit.
            return self._kept(Report.raised(over_time(self._claimed, run_s, limit_s), run_s=run_s))
        limit_bytes = self._runner.result_limit_bytes
        keep = self._claimed.keep_result
        json = self._claimed.json
        return self._kept(reported(value, run_s=run_s, keep=keep, limit_bytes=limit_bytes, json=json, turns=turns))

    def raised(self, error: BaseException) -> Report:
        """The report of a run that raised `error`."""
        return self._kept(Report.raised(error, run_s=self._control.used_s))

    def _kept(self, report: Report) -> Report:
        """The report with what the run put into the job's meta."""
        if self._meta is None:
            return report
        try:
            meta = self._changed_meta()
        except InvalidJob as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 -- a job that is done must not fail for the repr of what it put there
            problem = f"{type(error).__name__}."
        else:
            return report if meta is None else replace(report, meta=meta)
        return replace(
            report, note=report.note or noted(f"What the run put into the job's meta was not kept: {problem}")
        )

    def _changed_meta(self) -> bytes | None:
        meta, limit = _meta(self.job), self._runner.meta_limit_bytes
        if meta == self._meta:
            return None
        if len(meta) > limit:
            raise InvalidJob(f"it takes {len(meta):,} bytes as JSON, and the limit is {limit:,}.")
        return meta


class _OverTime(BaseException):
    """The time limit is over. Not a TimeoutError, because a job may raise one of its own."""


async def _within(limit_s: float, call: Coroutine[Any, Any, Any]) -> Any:
    """Await `call` for at most `limit_s` seconds; then cancel it, again and again if it does not heed.

    Unlike `asyncio.timeout`, which cancels once, and takes it for success if the job swallows that.
    """
    timer = _Timer(limit_s)
    try:
        return await call
    except asyncio.CancelledError:
        if timer.fired:
            raise _OverTime from None
        raise
    finally:
        timer.end()


class _Timer:
    """Cancels the current task after a while, and then every few seconds: it may be cleaning up."""

    def __init__(self, after_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._handle = self._loop.call_later(after_s, self._cancel)
        self.fired = 0

    def _cancel(self) -> None:
        if self._task is not None:
            self.fired += 1
            self._task.cancel()
            self._handle = self._loop.call_later(CANCEL_AGAIN_S, self._cancel)

    def end(self) -> None:
        """Take back the cancellations that were its own; somebody else's stay."""
        self._handle.cancel()
        for _ in range(self.fired if self._task is not None else 0):
            self._task.uncancel()  # type: ignore[union-attr]


def over_time(job: QueuedJob, used_s: float, limit_s: float) -> TimeLimitExceeded:
    """The error for a run that took longer than its limit."""
    return TimeLimitExceeded(f"{job.func} ran for {used_s:.3f} s: its time limit is {limit_s:g} s.")


def _meta(job: QueuedJob) -> bytes:
    return encode_checked(job.meta, "meta")
