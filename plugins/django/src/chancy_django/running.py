"""What a worker calls for a task: its function, with its arguments and its context, and Django's signals round it."""

from __future__ import annotations

import asyncio
import functools
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import iscoroutinefunction
from typing import Any, Final

from chancy import JobContext, JobStopped, Verdict
from chancy.executors import callable_of
from chancy_django.compat import (
    Task,
    TaskContext,
    TaskError,
    TaskResultStatus,
    task_backends,
    task_finished,
    task_started,
)
from chancy_django.jobs import META, arguments_of, as_json, meta_of
from chancy_django.results import path_of, result_of

# Who is stopped so has not failed: the worker decides what becomes of the job.
_STOPPED: Final = (asyncio.CancelledError, JobStopped, GeneratorExit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChancyTaskContext(TaskContext):
    """The context of a task that runs, with its job.

    Attributes:
        job: the job's own context: its progress, its checkpoints, its meta, and whatever else Chancy can be asked.
    """

    job: JobContext


@callable_of.register(Task)
def runner_of(task: Any) -> Callable[..., Any]:
    """The function that runs a task; it has the name and the home of the task's own."""
    return _async_runner(task) if iscoroutinefunction(task.func) else _sync_runner(task)


def _sync_runner(task: Any) -> Callable[..., Any]:
    def run(*, chancy_run: JobContext, **_: Any) -> Any:
        attempt = _Attempt(task, chancy_run)
        attempt.begins()
        task_started.send_robust(sender=attempt.sender, task_result=attempt.result)
        try:
            value = as_json(task.func(*attempt.args, **attempt.kwargs))
        except BaseException as error:
            if attempt.failed(error):
                task_finished.send_robust(sender=attempt.sender, task_result=attempt.result)
            raise
        attempt.succeeded(value)
        task_finished.send_robust(sender=attempt.sender, task_result=attempt.result)
        return value

    return _dressed(run, task)


def _async_runner(task: Any) -> Callable[..., Any]:
    async def run(*, chancy_run: JobContext, **_: Any) -> Any:
        attempt = _Attempt(task, chancy_run)
        attempt.begins()
        await task_started.asend_robust(sender=attempt.sender, task_result=attempt.result)
        try:
            value = as_json(await task.func(*attempt.args, **attempt.kwargs))
        except BaseException as error:
            if attempt.failed(error):
                await task_finished.asend_robust(sender=attempt.sender, task_result=attempt.result)
            raise
        attempt.succeeded(value)
        await task_finished.asend_robust(sender=attempt.sender, task_result=attempt.result)
        return value

    return _dressed(run, task)


def _dressed(run: Any, task: Any) -> Callable[..., Any]:
    """The runner under the name of the task's function, without its signature: it takes what any task takes."""
    functools.update_wrapper(run, task.func, updated=())
    del run.__wrapped__
    run.__annotations__ = {"chancy_run": JobContext}
    # What the task declares holds also for jobs that only name it, such as those of a schedule.
    job = getattr(task, "job", None)
    if job is not None:
        run.job = job
    found: Callable[..., Any] = run
    return found


class _Attempt:
    """One run of a task.

    Attributes:
        result: its result as the task's context and the signals have it.
        sender: the class of its backend.
    """

    def __init__(self, task: Any, job: JobContext) -> None:
        self._job = job
        self.result = result_of(job, task.backend)
        self.sender = type(task_backends[self.result.backend])
        args, self.kwargs = arguments_of(job)
        context = [ChancyTaskContext(task_result=self.result, job=job)] if task.takes_context else []
        self.args = [*context, *args]

    def begins(self) -> None:
        """It is about to be called."""
        self._set(status=TaskResultStatus.RUNNING)

    def succeeded(self, value: Any) -> None:
        """It returned."""
        self._set(status=TaskResultStatus.SUCCESSFUL, finished_at=datetime.now(UTC), _return_value=value)

    def failed(self, error: BaseException) -> bool:
        """It raised. Whether that is the task's end, as far as this can be told before the worker has decided."""
        if isinstance(error, (*_STOPPED, Verdict)):
            return False
        self._write_down(error)
        text = "".join(traceback.format_exception(error))
        self.result.errors.append(TaskError(exception_class_path=path_of(type(error)), traceback=text))
        if self._job.attempts < self._job.max_attempts and self._job.retries(error):
            return False
        self._set(status=TaskResultStatus.FAILED, finished_at=datetime.now(UTC))
        return True

    def _write_down(self, error: BaseException) -> None:
        """Keep with the job what its columns have no place for: the class that was raised, and the first beginning."""
        known = meta_of(self._job)
        row: dict[str, Any] = {"attempt": self._job.attempts, "raised": path_of(type(error))}
        if self._job.attempts == 1 and self._job.started_at is not None:
            row["started_at"] = self._job.started_at.isoformat()
        self._job.meta[META] = {**known, "attempts": [*known.get("attempts", []), row]}

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self.result, name, value)
