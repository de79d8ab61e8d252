"""The tasks of this backend: Django's, with what a job of Chancy can be told besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from chancy import Backoff, Job
from chancy_django.compat import (
    DEFAULT_TASK_BACKEND_ALIAS,
    DEFAULT_TASK_PRIORITY,
    DEFAULT_TASK_QUEUE_NAME,
    Task,
    task_backends,
)

# The fields of a task that are fields of its job, under the same names.
OF_JOB: Final = ("max_attempts", "retry_on", "give_up_on", "unique_while", "on_conflict", "keep_result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChancyTask(Task):
    """A task of Django that also says how its job is run.

    ```python
    @task(max_attempts=5, backoff=10, timeout_s=60)  # chancy_django.task; from Django 6.1 on django.tasks.task as well
    def send(user_id): ...


    send.using(unique_key=f"send-{user.id}").enqueue(user.id)
    ```

    Attributes:
        max_attempts: how often it may be started before it counts as failed.
        backoff: the wait between attempts: seconds, or a `Backoff`. None: one second, doubling.
        timeout_s: how many seconds an attempt may take.
        memory_bytes: how much memory an attempt may hold, in a queue whose executor can see to it.
        unique_key: at most one job with this key waits or runs; or a function of the arguments that returns it.
        unique_while: how long the key is held, as `Job` has it.
        on_conflict: what becomes of it if the key is taken, as `Job` has it.
        retry_on: retry only after these exceptions.
        give_up_on: never retry after these.
        keep_result: whether what it returns is kept.
    """

    max_attempts: int = 1
    backoff: Backoff | float | None = None
    timeout_s: float | None = None
    memory_bytes: int | None = None
    unique_key: str | Callable[..., str] | None = None
    unique_while: str = "live"
    on_conflict: str = "existing"
    retry_on: tuple[type[BaseException] | str, ...] = ()
    give_up_on: tuple[type[BaseException] | str, ...] = ()
    keep_result: bool = True

    def using(
        self,
        *,
        priority: int | None = None,
        queue_name: str | None = None,
        run_after: datetime | None = None,
        backend: str | None = None,
        **fields: Any,
    ) -> ChancyTask:
        """This task with other fields: those of every task of Django, and its own."""
        common: dict[str, Any] = {
            "priority": priority,
            "queue_name": queue_name,
            "run_after": run_after,
            "backend": backend,
        }
        return replace(self, **{name: value for name, value in common.items() if value is not None}, **fields)

    @property
    def job(self) -> Job:
        """The job of this task without arguments, for whatever takes one: `chancy.push(send.job.with_kwargs(…))`."""
        from chancy_django.jobs import job_of  # noqa: PLC0415 -- which needs this module

        return job_of(self)


def task(
    function: Callable[..., Any] | None = None,
    *,
    priority: int = DEFAULT_TASK_PRIORITY,
    queue_name: str = DEFAULT_TASK_QUEUE_NAME,
    backend: str = DEFAULT_TASK_BACKEND_ALIAS,
    takes_context: bool = False,
    **fields: Any,
) -> Any:
    """Django's `task`, which takes the fields of `ChancyTask` besides: with every Django that has tasks.

    From Django 6.1 on, and with the backport, its own `task` takes them too. A backend of Django that knows none of
    them, such as those that sites have in their tests, takes the task nevertheless, and leaves them aside.
    """

    def decorate(decorated: Callable[..., Any]) -> Any:
        kind = task_backends[backend].task_class
        return (ChancyTask if kind is Task else kind)(
            func=decorated,
            priority=priority,
            queue_name=queue_name,
            backend=backend,
            takes_context=takes_context,
            **{"run_after": None, **fields},
        )

    return decorate if function is None else decorate(function)
