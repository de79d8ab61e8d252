"""One truth with asyncio and without: what is to be done is a generator, and a driver does it on a connection.

It yields an `Ask` or a `PushJobs`, and is sent the answer; what it returns is the result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import psycopg
from psycopg.rows import tuple_row

from chancy import Chancy, ChancyError, Job
from chancy.plugin import statement

T = TypeVar("T")
PACKAGE: Final = "chancy_workflow.sql"

Connection: TypeAlias = "psycopg.AsyncConnection[Any] | psycopg.Connection[Any]"


class Ask(NamedTuple):
    """A statement by its name, and its parameters; answered with its rows."""

    name: str
    params: dict[str, Any]


class PushJobs(NamedTuple):
    """Jobs to be pushed; answered with the id of each, or with the error that kept it from being stored."""

    jobs: Sequence[Job]


Answer: TypeAlias = "list[Any]"
Work: TypeAlias = Generator[Ask | PushJobs, Answer, T]


async def run(chancy: Chancy, connection: Connection, work: Work[T]) -> T:
    """Do the work on a connection, in the transaction that it is in."""
    if isinstance(connection, psycopg.Connection):
        return run_sync(chancy, connection, work)
    schema = chancy.settings.schema

    async def asked(one: Ask) -> list[Any]:
        async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
            await cursor.execute(statement(one.name, schema, PACKAGE), one.params or None)
            return await cursor.fetchall() if cursor.description else []

    async def push(jobs: Sequence[Job]) -> list[Any]:
        if len(jobs) == 1:
            # That is one statement.
            return [(await chancy.push(jobs[0], connection=connection)).identifier]
        references = await chancy.push_many(jobs, connection=connection)
        return [reference.identifier for reference in references]

    answer: Any = None
    try:
        while True:
            step = work.send(answer)
            answer = await asked(step) if isinstance(step, Ask) else await pushed(step.jobs, push)
    except StopIteration as end:
        result: T = end.value
        return result


def run_sync(chancy: Chancy, connection: psycopg.Connection[Any], work: Work[T]) -> T:
    """As `run`, without asyncio."""
    schema = chancy.settings.schema

    def asked(one: Ask) -> list[Any]:
        with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
            cursor.execute(statement(one.name, schema, PACKAGE), one.params or None)
            return cursor.fetchall() if cursor.description else []

    async def push(jobs: Sequence[Job]) -> list[Any]:
        if len(jobs) == 1:
            return [chancy.sync_push(jobs[0], connection=connection).identifier]
        return [reference.identifier for reference in chancy.sync_push_many(jobs, connection=connection)]

    answer: Any = None
    try:
        while True:
            step = work.send(answer)
            answer = asked(step) if isinstance(step, Ask) else _now(pushed(step.jobs, push))
    except StopIteration as end:
        result: T = end.value
        return result


async def pushed(jobs: Sequence[Job], push: Callable[[Sequence[Job]], Awaitable[list[Any]]]) -> list[Any]:
    """Push jobs, all of them at once, if that can be; what cannot be stored is found by halving.

    `push` is called with some of them; if it raises, none of these were stored.
    """
    try:
        return await push(jobs)
    except (ChancyError, TypeError, ValueError) as error:
        # What is wrong with the database is not the fault of any job.
        if isinstance(error.__cause__, psycopg.OperationalError):
            raise
        if len(jobs) == 1:
            return [error]
    half = len(jobs) // 2
    return [*await pushed(jobs[:half], push), *await pushed(jobs[half:], push)]


def _now(coroutine: Any) -> list[Any]:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        found: list[Any] = end.value
        return found
    raise AssertionError("it has waited")  # pragma: no cover


def grouped(rows: Sequence[Any], place: int) -> dict[Any, list[Any]]:
    """The rows by what they have in one place."""
    found: dict[Any, list[Any]] = {}
    for row in rows:
        found.setdefault(row[place], []).append(row)
    return found
