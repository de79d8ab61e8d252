"""How an action on many jobs goes along with others: it makes way for workers, and for nobody where nobody works."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from chancy import Job, JobFilter, Queue
from chancy_core.app import acting, course
from chancy_core.store.statements import statement

MAIL = JobFilter(queues="mail")


@pytest.fixture
def rests(monkeypatch):
    """How long actions have rested."""
    found: list[float] = []

    async def sleep(seconds):
        found.append(seconds)

    monkeypatch.setattr(acting, "BATCH", 10)
    monkeypatch.setattr(course, "asyncio", SimpleNamespace(sleep=sleep))
    return found


@pytest.fixture
async def mail(chancy):
    """A queue with a hundred jobs that nobody takes."""
    await chancy.declare(Queue("mail", tags=["nobody"]))
    await chancy.push_many([Job(func="jobs.echo", queue="mail")] * 100)


async def test_an_action_rested_for_workers_that_were_not_there(chancy, mail, rests):
    """Nobody runs anything: it goes on at once from batch to batch."""
    assert (await chancy.cancel_jobs(MAIL)).done == {"cancelled": 100}
    assert (await chancy.retry_jobs(MAIL)).done == {"retried": 100}
    assert rests == []


async def test_an_action_rests_for_workers_that_are_there(chancy, mail, rests, query):
    """Some job runs: after each batch others have the database for longer than it took."""
    await chancy.push(Job(func="jobs.echo"))
    query(
        "UPDATE {s}.jobs SET state = 'running', attempts = 1, worker = 'w', started_at = now() WHERE queue = 'default'"
    )
    assert (await chancy.cancel_jobs(MAIL)).done == {"cancelled": 100}
    assert len(rests) == 9
    assert acting.REST > 1


async def test_whether_anybody_works_is_asked_along_an_index(chancy, query, mail):
    """A thousand jobs that wait, and statistics that say that half of all jobs run: no row of those is read."""
    query("UPDATE {s}.jobs SET state = 'running', attempts = 1, worker = 'w', started_at = now()")
    query("ANALYZE {s}.jobs")
    query("UPDATE {s}.jobs SET state = 'pending', attempts = 0, worker = NULL")
    async with chancy.pool.connection() as connection:
        rows = await (await connection.execute(b"EXPLAIN " + statement("is_busy", chancy.settings.schema))).fetchall()
    assert any("jobs_running" in row[0] for row in rows), rows
    assert not any("Seq Scan" in row[0] for row in rows), rows
