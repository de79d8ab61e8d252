"""What is due, and what is over, moves in batches: a row that does not move holds up neither the others nor claims."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from support import captured_events

from chancy import Job, Queue, Reference, Worker
from chancy_core.worker import moving

PAST = datetime.now(UTC) - timedelta(hours=1)

REFUSE = """
CREATE FUNCTION {s}.stay() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {what}; END$$;
CREATE TRIGGER stay BEFORE {event} ON {s}.jobs
FOR EACH ROW WHEN (OLD.unique_key LIKE 'stays%%') EXECUTE FUNCTION {s}.stay()
"""
RAISES = "RAISE EXCEPTION 'it stays'"
SILENT = "RETURN NULL"


def stays(query, event: str, what: str) -> None:
    """Let the database keep each job whose unique_key begins with `stays` as it is."""
    query(REFUSE.replace("{event}", event).replace("{what}", what))


@pytest.fixture
def due(chancy, query):
    """Makes jobs that are due, and have to be promoted; those with a key are the ones that the database keeps."""

    def made(count: int = 1, key: str | None = None) -> list[Reference]:
        rows = query(
            "INSERT INTO {s}.jobs (id, queue, func, state, scheduled_at, unique_key) SELECT gen_random_uuid(),"
            " 'default', 'jobs.noop', 'scheduled', now(), %s || n FROM generate_series(1, %s) AS n RETURNING id",
            key,
            count,
        )
        return [chancy.reference(id_) for (id_,) in rows]

    return made


def over(number: int) -> Job:
    return Job("jobs.noop", queue="none", expires_at=PAST, unique_key=f"stays{number}")


@pytest.mark.parametrize("what", [RAISES, SILENT])
async def test_a_due_job_that_the_database_keeps_holds_up_no_other(chancy, query, due, what):
    """Jobs that a trigger does not let become runnable stay, and are reported; others that are due run beside them."""
    kept = due(3, "stays")
    stays(query, "UPDATE", what)
    others = due(3)
    with captured_events() as events:
        async with Worker(chancy):
            await chancy.wait_for_jobs(others, timeout=60)
            assert {(await reference.get()).state for reference in kept} == {"scheduled"}
            await chancy.wait_for_jobs(due(), timeout=60)
    told = [event for event in events if event["event"] == "promote_refused"]
    assert len(told) == (3 if what is RAISES else 0)
    assert all(event["error"] == "it stays" for event in told)


@pytest.mark.parametrize("what", [RAISES, SILENT])
async def test_an_expired_job_that_the_database_keeps_holds_up_no_other(chancy, query, due, what):
    """Expired jobs that a trigger does not let go stay; others expire, and what is due becomes runnable."""
    await chancy.declare(Queue("none", tags=["nobody"]))
    kept = [await chancy.push(over(number)) for number in range(3)]
    stays(query, "DELETE", what)
    expired = [await chancy.push(Job("jobs.noop", queue="none", expires_at=PAST)) for _ in range(3)]
    (waits,) = due()
    with captured_events() as events:
        async with Worker(chancy):
            assert {job.state for job in await chancy.wait_for_jobs(expired, timeout=60)} == {"cancelled"}
            assert (await waits.wait(timeout=60)).state == "succeeded"
            assert {(await reference.get()).state for reference in kept} == {"pending"}
    told = [event for event in events if event["event"] == "sweep_refused"]
    assert len(told) == (3 if what is RAISES else 0)


async def test_what_the_database_kept_moves_once_it_is_let_go(chancy, query, due, until, monkeypatch):
    """A job that was put aside is tried again, and runs when the trigger is gone."""
    monkeypatch.setattr(moving, "REFUSED_AGAIN_S", 0.2)
    (kept,) = due(1, "stays")
    stays(query, "UPDATE", RAISES)
    with captured_events() as events:
        async with Worker(chancy):
            await until(lambda: [event for event in events if event["event"] == "promote_refused"], 60)
            query("DROP TRIGGER stay ON {s}.jobs")
            assert (await kept.wait(timeout=60)).state == "succeeded"
    assert len([event for event in events if event["event"] == "promote_refused"]) == 1


async def test_a_table_that_is_locked_holds_up_the_cancelled_only(chancy, query, until, dsn, schema):
    """While somebody has locked the finished jobs, expired ones wait, and what is due becomes runnable all the same."""
    await chancy.declare(Queue("none", tags=["nobody"]))
    expired = await chancy.push(over(1))
    query(
        "INSERT INTO {s}.jobs (id, queue, func, state, scheduled_at) "
        "VALUES (gen_random_uuid(), 'none', 'f', 'scheduled', now())"
    )
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(f"LOCK TABLE {schema}.finished_jobs".encode())
        async with Worker(chancy) as worker:
            await until(lambda: query("SELECT count(*) = 2 FROM {s}.jobs WHERE state = 'pending'") == [(True,)], 60)
            assert worker.lease_held
            await connection.rollback()
            assert (await expired.wait(timeout=60)).state == "cancelled"


async def test_a_full_disk_holds_up_the_cancelled_only(chancy, query, due, until):
    """While the database has no room for finished jobs of one kind, what is due becomes runnable; then they go."""
    await chancy.declare(Queue("none", tags=["nobody"]))
    expired = await chancy.push(over(1))
    stays(query, "DELETE", "RAISE EXCEPTION 'no room' USING ERRCODE = '53100'")
    with captured_events() as events:
        async with Worker(chancy):
            await until(lambda: [event for event in events if event["event"] == "sweep_put_off"], 60)
            await chancy.wait_for_jobs(due(), timeout=60)
            query("DROP TRIGGER stay ON {s}.jobs")
            assert (await expired.wait(timeout=60)).state == "cancelled"
    assert len([event for event in events if event["event"] == "sweep_put_off"]) == 1


async def test_claims_go_on_while_many_jobs_become_due(chancy, query):
    """A job of another queue is claimed and ends before all that was due has become runnable, however slow that is."""
    await chancy.declare(Queue("none", tags=["nobody"]))
    query(
        "INSERT INTO {s}.jobs (id, queue, func, state, scheduled_at, unique_key) SELECT gen_random_uuid(), 'none', "
        "'jobs.noop', 'scheduled', now(), 'stays' || n FROM generate_series(1, 30_000) AS n"
    )
    stays(query, "UPDATE", "PERFORM pg_sleep(0.001); RETURN NEW")
    async with Worker(chancy):
        for _ in range(3):
            assert (await (await chancy.push(Job("jobs.noop"))).wait(timeout=60)).state == "succeeded"
        assert query("SELECT count(*) > 0 FROM {s}.jobs WHERE state = 'scheduled'") == [(True,)]


async def test_a_queue_with_an_impossible_name_holds_up_no_other(chancy, query, due):
    """A name that is too long for a notification becomes runnable like any other, and nobody is told."""
    query(
        "INSERT INTO {s}.jobs (id, queue, func, state, scheduled_at) "
        "VALUES (gen_random_uuid(), repeat('q', 9000), 'jobs.noop', 'scheduled', now())"
    )
    (waits,) = due()
    async with Worker(chancy):
        assert (await waits.wait(timeout=60)).state == "succeeded"
    assert query("SELECT DISTINCT state FROM {s}.jobs") == [("pending",)]
