"""From a job as it stands to the `TaskResult` that Django's tasks know."""

from __future__ import annotations

import builtins
import uuid
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.utils.module_loading import import_string

import chancy.errors
from chancy import JobError, QueuedJob, State
from chancy_django.compat import Task, TaskError, TaskResult, TaskResultDoesNotExist, TaskResultStatus, task_backends
from chancy_django.errors import TaskCancelled, TaskLost
from chancy_django.jobs import arguments_of, meta_of

STATUS: Final = {
    State.SCHEDULED: TaskResultStatus.READY,
    State.PENDING: TaskResultStatus.READY,
    State.RETRYING: TaskResultStatus.READY,
    State.RUNNING: TaskResultStatus.RUNNING,
    State.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    State.FAILED: TaskResultStatus.FAILED,
    State.CANCELLED: TaskResultStatus.FAILED,
}


def fresh(task: Any, id_: uuid.UUID | str, args: Any, kwargs: Any) -> Any:
    """The result of a task that has just been pushed."""
    return TaskResult(
        task=task,
        id=str(id_),
        status=TaskResultStatus.READY,
        enqueued_at=None if id_ == "" else enqueued_at(uuid.UUID(str(id_))),
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=[],
        worker_ids=[],
    )


def result_of(job: QueuedJob, alias: str) -> Any:
    """The result of a task, from its job as it stands.

    Args:
        job: the job.
        alias: the backend that is asked.

    Raises:
        TaskResultDoesNotExist: the job is none of a task.
    """
    args, kwargs = arguments_of(job)
    task = _task_of(job, alias)
    began = job.attempts > 0
    result = TaskResult(
        task=task,
        id=str(job.id),
        status=STATUS[job.state],
        enqueued_at=enqueued_at(job.id),
        started_at=_local(_first_started(job)) if began else None,
        finished_at=_local(job.completed_at),
        last_attempted_at=_local(job.started_at) if began else None,
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=_errors(job),
        worker_ids=_workers(job),
    )
    object.__setattr__(result, "_return_value", job.result)
    return result


def enqueued_at(id_: uuid.UUID) -> datetime:
    """When it was pushed, by the clock of whoever did: the first 48 bits of the job's id are its milliseconds."""
    found = _local(datetime.fromtimestamp((id_.int >> 80) / 1000, UTC))
    assert found is not None  # noqa: S101 -- it was given
    return found


def path_of(kind: type[BaseException]) -> str:
    """The path by which `TaskError` finds an exception's class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def task_at(path: str) -> Any:
    """The task that stands under a name. Raises TaskResultDoesNotExist."""
    try:
        found = import_string(path)
    except Exception as error:
        raise TaskResultDoesNotExist(f"Its task does not import: {error}") from error
    if not isinstance(found, Task):
        raise TaskResultDoesNotExist(f"{path} is no task of Django, but a {type(found).__name__}.")
    return found


def _task_of(job: QueuedJob, alias: str) -> Any:
    """The task as it was enqueued: with its queue, its priority and its time."""
    stored, meta = task_at(job.func), meta_of(job)
    backend = meta.get("backend")
    changed = {
        "backend": backend if backend in task_backends.settings else alias,
        "queue_name": job.queue,
        "priority": -job.priority,
        "run_after": _moment(meta.get("run_after")),
    }
    # Not by `using`, which would refuse what has been allowed before, such as a queue that was taken out of QUEUES.
    task = object.__new__(type(stored))
    for field in fields(stored):
        object.__setattr__(task, field.name, changed.get(field.name, getattr(stored, field.name)))
    return task


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _local(moment: datetime | None) -> datetime | None:
    """A moment as Django's are: in UTC, or without USE_TZ, in local time without a zone."""
    if moment is None or settings.USE_TZ:
        return moment
    from django.utils.timezone import make_naive  # noqa: PLC0415 -- few sites are without USE_TZ

    naive: datetime = make_naive(moment)
    return naive


def _attempts(job: QueuedJob) -> dict[int, dict[str, Any]]:
    """What the runs have written down of their attempts."""
    found = meta_of(job).get("attempts")
    rows = found if isinstance(found, list) else []
    return {row["attempt"]: row for row in rows if isinstance(row, dict) and isinstance(row.get("attempt"), int)}


def _first_started(job: QueuedJob) -> datetime | None:
    first = _moment(_attempts(job).get(1, {}).get("started_at"))
    known = [
        moment for moment in (first, job.started_at, *(error.at for error in job.errors[:1])) if moment is not None
    ]
    return min(known, default=None)


def _workers(job: QueuedJob) -> list[str]:
    """The worker of every attempt."""
    known = {error.attempt: error.worker for error in job.errors}
    if job.worker is not None:
        known[job.attempts] = job.worker
    return [known.get(attempt, "unknown") for attempt in range(1, job.attempts + 1)]


def _errors(job: QueuedJob) -> list[Any]:
    attempts = _attempts(job)
    errors = [
        TaskError(
            exception_class_path=attempts.get(error.attempt, {}).get("raised") or _path_of(error),
            traceback=error.traceback or f"{error.type}: {error.message}",
        )
        for error in job.errors
    ]
    if job.state is State.CANCELLED or (job.state is State.FAILED and not errors):
        kind = TaskCancelled if job.state is State.CANCELLED else TaskLost
        errors.append(TaskError(exception_class_path=path_of(kind), traceback=f"{kind.__name__}: {job.note or ''}"))
    return errors


def _path_of(error: JobError) -> str:
    """The path of an exception that was not raised inside the task."""
    for module in (builtins, chancy.errors):
        kind = getattr(module, error.type, None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            return f"{module.__name__}.{error.type}"
    return path_of(TaskLost)
