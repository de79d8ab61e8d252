"""`ChancyBackend`: the backend of Django's tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.asyncio import async_unsafe

from chancy import Chancy, Job, Queue, Reference
from chancy.errors import InvalidJob, UnknownQueue
from chancy_django import running
from chancy_django.applications import chancy_of, passing
from chancy_django.compat import BaseTaskBackend, InvalidTask, TaskResultDoesNotExist, task_enqueued
from chancy_django.declared import ChancyTask
from chancy_django.jobs import as_json, job_of
from chancy_django.options import Options, options_of
from chancy_django.results import fresh, result_of

Call: TypeAlias = tuple[Any, Sequence[Any], Mapping[str, Any]]

_IN_LOOP: Final = (
    "You cannot enqueue from an async context: `await task.aenqueue(…)`, or use a thread or sync_to_async."
)
_LOOK_IN_LOOP: Final = (
    "You cannot look from an async context: `await task.aget_result(…)`, or use a thread or sync_to_async."
)
# So that importing the backend is enough for a worker in this process to run tasks.
RUNS: Final = running.runner_of


class ChancyBackend(BaseTaskBackend):
    """The tasks of a Django site, as jobs of Chancy.

    ```python
    TASKS = {"default": {"BACKEND": "chancy_django.ChancyBackend"}}
    ```

    A task is stored on Django's own connection, so that inside `atomic()` it exists if and only if that commits.

    Args:
        alias: its name in `TASKS`.
        params: what stands there. `QUEUES` are declared by themselves; an empty list allows any, and declares each
            when it is first used. `OPTIONS`: `database`, `worker_connections`, `schedules`, and any setting of Chancy.

    Attributes:
        settings: what `OPTIONS` come to.
    """

    task_class = ChancyTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.settings: Final[Options] = options_of(alias, self.queues, self.options)
        self._declared: set[str] = set(self.queues)

    @property
    def chancy(self) -> Chancy:
        """The Chancy behind it. In a test it is one for the test's database."""
        return chancy_of(self.settings)

    @property
    def connection(self) -> Any:
        """Django's connection to the jobs' database, in this thread."""
        return connections[self.settings.database]

    def validate_task(self, task: Any) -> None:
        """Raise InvalidTask unless a job can be made of it."""
        super().validate_task(task)
        try:
            job_of(task)
        except InvalidJob as error:
            raise InvalidTask(str(error)) from error

    # -- enqueue ---------------------------------------------------------------------------

    @async_unsafe(_IN_LOOP)
    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Store a task, in the transaction of this thread if there is one. Returns its result."""
        job, args, kwargs = self._prepared(task, args, kwargs)
        reference = self.chancy.sync_push(job, connection=self.connection)
        result = self._result(task, reference, args, kwargs)
        if reference.created:
            task_enqueued.send_robust(sender=type(self), task_result=result)
        return result

    @async_unsafe(_IN_LOOP)
    def enqueue_all(self, calls: Iterable[Call]) -> list[Any]:
        """Store many tasks, all or none, as fast as PostgreSQL takes them.

        Args:
            calls: of each a tuple of the task, its arguments and its keyword arguments.

        Returns:
            Their results, in the same order.
        """
        prepared: list[tuple[Any, Any, Any]] = []

        def jobs() -> Iterator[Job]:
            for task, args, kwargs in calls:
                job, *given = self._prepared(task, args, kwargs)
                prepared.append((task, *given))
                yield job

        references = self.chancy.sync_push_many(jobs(), connection=self.connection)
        results = []
        for (task, args, kwargs), reference in zip(prepared, references, strict=True):
            results.append(self._result(task, reference, args, kwargs))
            if reference.created:
                task_enqueued.send_robust(sender=type(self), task_result=results[-1])
        return results

    async def aenqueue_all(self, calls: Iterable[Call]) -> list[Any]:
        """As `enqueue_all`, for async code."""
        found: list[Any] = await sync_to_async(self.enqueue_all, thread_sensitive=True)(calls)
        return found

    def _prepared(self, task: Any, args: Any, kwargs: Any) -> tuple[Job, list[Any], dict[str, Any]]:
        self.validate_task(task)
        args, kwargs = as_json(list(args)), as_json(dict(kwargs))
        self._declare(task.queue_name)
        return job_of(task, args, kwargs), args, kwargs

    def _declare(self, queue: str) -> None:
        """Declare a queue that nobody has named before, where any may be used."""
        if queue not in self._declared:
            with passing(self.settings) as chancy:
                try:
                    chancy.sync_get_queue(queue)
                except UnknownQueue:
                    chancy.sync_declare(Queue(queue))
            self._declared.add(queue)

    def _result(self, task: Any, reference: Reference, args: Any, kwargs: Any) -> Any:
        if reference.created:
            return fresh(task, reference.identifier, args, kwargs)
        # The task's unique key is taken: this is the result of the one that has it.
        return self.get_result(str(reference))

    # -- results ---------------------------------------------------------------------------

    @async_unsafe(_LOOK_IN_LOOP)
    def get_result(self, result_id: str) -> Any:
        """The result of a task as it stands, also of one that this transaction has enqueued.

        Raises:
            TaskResultDoesNotExist: there is no such task; it may have been pruned.
        """
        try:
            job = self.chancy.sync_get_job(result_id, connection=self.connection)
        except InvalidJob as error:
            raise TaskResultDoesNotExist(str(error)) from error
        if job is None:
            raise TaskResultDoesNotExist(result_id)
        return result_of(job, self.alias)

    # -- checks ----------------------------------------------------------------------------

    def check(self, **_: Any) -> list[Any]:
        """What keeps it from working, for `manage.py check`."""
        from chancy_django.checks import check_backend  # noqa: PLC0415 -- for `check` only

        return check_backend(self)

    @cached_property
    def driver_problem(self) -> str | None:
        """Why no job can be stored by Django's connection; None if it can."""
        return driver_problem(self.settings.database)


def driver_problem(alias: str) -> str | None:
    """Why no job can be stored by a connection of `DATABASES`; None if it can."""
    if alias not in connections.settings:
        return f"DATABASES has no {alias!r}: OPTIONS['database'] names the alias of the database that has the jobs."
    connection = connections[alias]
    if connection.vendor != "postgresql":
        return f"DATABASES[{alias!r}] is a database of {connection.vendor}: Chancy keeps jobs in PostgreSQL."
    from django.db.backends.postgresql.psycopg_any import is_psycopg3  # noqa: PLC0415 -- it needs a driver

    if not is_psycopg3:
        return (
            f"DATABASES[{alias!r}] is connected to by psycopg2, and Chancy writes with psycopg 3: pip install "
            "psycopg, which Django prefers."
        )
    return None


def not_ours(alias: str, found: object) -> ImproperlyConfigured:
    """A backend of `TASKS` that is another library's."""
    kind = type(found)
    return ImproperlyConfigured(
        f"TASKS[{alias!r}] is {kind.__module__}.{kind.__qualname__}: set its BACKEND to "
        "'chancy_django.ChancyBackend', or name another alias."
    )
