"""Whoever hears of jobs that end hears of them in the transaction in which they do, however answers are lost."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from chancy_core.store import flow
from chancy_core.store.write import Hearer
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Cancellation

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


@pytest.fixture
def heard(chancy, query):
    """Writes what is heard into a table, on the connection that it is given."""
    query("CREATE TABLE {s}.heard (statement text, job text)")

    async def hear(statement: flow.Query, rows: list[Any], connection: psycopg.AsyncConnection[Any]) -> None:
        async with connection.cursor() as cursor:
            await cursor.executemany(
                f'INSERT INTO "{chancy.settings.schema}".heard VALUES (%s, %s)',
                [(statement.ending, str(row[0])) for row in rows],
            )

    chancy.connections.hearer = Hearer({}, hear)
    return lambda: sorted(query("SELECT statement, job FROM {s}.heard"))


async def test_cancelled_retried_and_purged_jobs_are_heard_of(chancy, heard):
    """Each statement by which jobs end, or come back, is told of, once, with its rows; others are not."""
    await chancy.declare(Queue("q"))
    first, second = await chancy.push_many("q", [ECHO, ECHO])
    assert await chancy.cancel_job(first) == Cancellation.CANCELLED
    await chancy.retry_jobs([first])
    assert await chancy.delete_queue("q") == 2
    assert heard() == sorted(
        [
            ("cancel_jobs", str(first)),
            ("retry_jobs", str(first)),
            ("purge_jobs", str(first)),
            ("purge_jobs", str(second)),
        ]
    )


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("text", [b"COMMIT", b"pg_current_xact_id", b"BEGIN"])
async def test_what_is_heard_commits_with_the_change(chancy, heard, monkeypatch, text, when):
    """A connection that is lost around the COMMIT: the change is done once and heard of once."""
    reference = await chancy.push(ECHO)
    answer, lost = flow._answer, []

    async def losing(cursor, step):
        if not isinstance(step, flow.Query) or lost or text not in step.text:
            return await answer(cursor, step)
        lost.append(step)
        if when == "after":
            await answer(cursor, step)
        cursor.connection.cut()
        return await answer(cursor, flow.Query(b"SELECT"))

    monkeypatch.setattr(flow, "_answer", losing)
    assert await chancy.cancel_job(reference) == Cancellation.CANCELLED
    assert lost
    assert heard() == [("cancel_jobs", str(reference))]


async def test_what_a_hearer_raises_undoes_the_change(chancy):
    """The step is rolled back, and whoever asked for it is told."""
    reference = await chancy.push(ECHO)

    async def hear(statement: flow.Query, rows: list[Any], connection: psycopg.AsyncConnection[Any]) -> None:
        raise ValueError("not that one")

    chancy.connections.hearer = Hearer({}, hear)
    with pytest.raises(ValueError, match="not that one"):
        await chancy.cancel_job(reference)
    assert (await reference.get()).state == "pending"


async def test_a_hearer_gives_its_statements_parameters(chancy):
    """What it wants the statement to know stands in place of what that would have said itself."""
    reference = await chancy.push(ECHO)

    async def hear(statement: flow.Query, rows: list[Any], connection: psycopg.AsyncConnection[Any]) -> None:
        pass

    chancy.connections.hearer = Hearer({"note": "by its hearer"}, hear)
    await chancy.cancel_job(reference)
    assert (await reference.get()).note == "by its hearer"
