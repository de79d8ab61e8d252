"""A connection of a worker hangs, or a server refuses for a while: it is replaced, and work goes on."""

from __future__ import annotations

import asyncio
import os
import random
import signal

import hard_jobs
import jobs
import psycopg
import pytest
from support import captured_events, until
from worker_weather import PATIENCE_S, behind, lost

from chancy_core.app import Chancy
from chancy_core.values.job import Job
from chancy_core.worker import Stopped, Worker

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("role", ["chancy claim", "chancy finish"])
async def test_a_connection_that_hangs_is_replaced_and_work_goes_on(chancy, query, relay, role):
    """Whichever connection stops answering, jobs are claimed and recorded again, and each ran once."""
    async with behind(relay, chancy, lease_s=15):
        first = await chancy.push_many([Job.from_func(jobs.noop)] * 20)
        await chancy.wait_for_jobs(first, timeout=PATIENCE_S)
        relay.stall(role, new=False)
        references = await chancy.push_many([Job.from_func(jobs.noop)] * 20)
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {(job.state, job.attempts) for job in finished} == {("succeeded", 1)}
    assert lost(query) == []


async def test_an_outcome_whose_answer_was_held_back_is_recorded_once_and_not_stale(chancy, query, relay):
    """The server records, its answer never comes: the outcome is found to be recorded, and counted as such."""
    async with behind(relay, chancy, lease_s=15) as worker:
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=PATIENCE_S)
        relay.stall("chancy finish", directions=["down"], new=False)
        reference = await chancy.push(Job.from_func(jobs.echo, kwargs={"value": 7}))
        job = await reference.wait(timeout=PATIENCE_S)
        await until(lambda: not worker.unwritten, PATIENCE_S)
        assert worker.stale == 0
    assert (job.state, job.result, job.claims) == ("succeeded", 7, 1)


async def test_jobs_of_a_claim_that_hung_do_not_wait_for_ever(chancy, query, relay):
    """A claim that was answered into nothing is found out, and its jobs run with no attempt spent."""
    async with behind(relay, chancy, lease_s=15) as worker:
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=PATIENCE_S)
        relay.stall("chancy claim", directions=["down"], new=False)
        references = await chancy.push_many([Job.from_func(jobs.noop)] * 5)
        # The notification is held back as well.
        worker._parts.claimers.wake_all()
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {(job.state, job.attempts) for job in finished} == {("succeeded", 1)}


async def test_a_backend_that_was_stopped_does_not_stop_its_worker(chancy, query, dsn):
    """SIGSTOP of the server process that claims: another one takes its place."""
    async with Worker(chancy, lease_s=15):
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=PATIENCE_S)
        stopped = [
            pid
            for (pid,) in query(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'chancy claim' AND query LIKE '%%{s}%%'"
            )
        ]
        assert stopped
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            job = await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=PATIENCE_S)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
    assert (job.state, job.attempts) == ("succeeded", 1)


async def test_a_worker_that_nothing_answers_gives_up_and_keeps_its_row(chancy, query, relay):
    """Its lease is renewed, but it can neither claim nor record: it ends by itself, and says why."""
    async with Chancy(relay.dsn, schema=chancy.settings.schema, discover=False) as other:
        worker = Worker(other, lease_s=2)
        await worker.start()
        with captured_events() as events:
            relay.stall("chancy claim")
            assert await asyncio.wait_for(worker.wait_for_shutdown(signals=False), PATIENCE_S) is Stopped.GAVE_UP
        assert {"connections_given_up", "worker_gave_up"} <= {event["event"] for event in events}
        relay.pass_all()


async def test_a_worker_says_what_hinders_it(chancy, relay, monkeypatch):
    """While nothing can be recorded a worker says so, and when all is well again it says nothing."""
    monkeypatch.setattr("chancy_core.worker.vitals.UNWELL_S", 0.5)
    async with behind(relay, chancy, lease_s=60) as worker:
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=PATIENCE_S)
        await until(lambda: worker.hindered is None, PATIENCE_S)
        relay.stall("chancy finish")
        await chancy.push(Job.from_func(jobs.noop))
        await until(lambda: worker.hindered, PATIENCE_S)
        relay.pass_all()
        relay.cut("chancy finish")
        await until(lambda: worker.hindered is None, PATIENCE_S)


async def test_a_locked_row_holds_up_its_own_outcome_only(chancy, query, dsn):
    """Somebody holds one job's row: all others are recorded, and this one as soon as he lets go."""
    hard_jobs.gate.clear()
    async with Worker(chancy, concurrency=200) as worker:
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 100)
        await until(lambda: worker.running == 100, PATIENCE_S)
        async with await psycopg.AsyncConnection.connect(dsn) as somebody:
            await somebody.execute(
                f"SELECT FROM {chancy.settings.schema}.jobs WHERE id = %s FOR UPDATE", [references[50].identifier]
            )
            hard_jobs.gate.set()
            others = [reference for number, reference in enumerate(references) if number != 50]
            finished = await chancy.wait_for_jobs(others, timeout=PATIENCE_S)
            assert {job.state for job in finished} == {"succeeded"}
            assert (await references[50].get()).state == "running"
            await somebody.rollback()
        last = await references[50].wait(timeout=PATIENCE_S)
    assert (last.state, last.claims) == ("succeeded", 1)


async def test_a_read_only_minute_costs_no_result(database):
    """The database becomes read-only and writable again: every outcome is kept with its result."""
    hard_jobs.gate.clear()
    read_only = "SET default_transaction_read_only = on"
    async with Chancy(database, discover=False) as chancy, Worker(chancy, lease_s=30) as worker:
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 10)
        await until(lambda: worker.running == 10, PATIENCE_S)
        with psycopg.connect(database, autocommit=True) as admin:
            ((name,),) = admin.execute("SELECT current_database()").fetchall()
            try:
                with captured_events() as events:
                    # For sessions that begin now, and for those that are.
                    admin.execute(f'ALTER DATABASE "{name}" {read_only}')
                    admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name = 'chancy finish' AND datname = current_database()"
                    )
                    hard_jobs.gate.set()
                    await until(lambda: [e for e in events if e["event"] == "finish_failed"], PATIENCE_S)
            finally:
                admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        # Connections that the application opened meanwhile are read-only still.
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {(job.state, job.result, job.note, job.claims) for job in finished} == {
        ("succeeded", "let through", None, 1)
    }


async def test_a_lock_on_the_workers_table_costs_no_good_run(chancy, query, dsn):
    """Nobody can renew for longer than a lease: afterwards every run is recorded as what it was, and none as lost."""
    hard_jobs.gate.clear()
    async with Worker(chancy, lease_s=4) as one, Worker(chancy, lease_s=4) as other:
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate, max_attempts=1)] * 20)
        await until(lambda: one.running + other.running == 20, PATIENCE_S)
        async with await psycopg.AsyncConnection.connect(dsn) as somebody:
            await somebody.execute(f"LOCK TABLE {chancy.settings.schema}.workers".encode())
            await until(lambda: not one.lease_held and not other.lease_held, PATIENCE_S)
            await until(lambda: not one.running and not other.running, PATIENCE_S)
            hard_jobs.gate.set()
            await somebody.rollback()
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {job.state for job in finished} == {"succeeded"}
    assert lost(query) == []


async def test_an_outcome_too_large_for_somebodys_index_is_recorded_without_arguments(chancy, query):
    """An index of the operator's takes no long value: that job is recorded without it, its neighbours as they are."""
    query("CREATE INDEX ON {s}.finished_jobs ((kwargs->>'value'))")
    # It does not compress to a third of a page.
    long = random.Random(5).randbytes(10_000).hex()
    async with Worker(chancy):
        references = await chancy.push_many(
            [Job.from_func(jobs.echo, kwargs={"value": long if n == 7 else n}) for n in range(30)]
        )
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {job.state for job in finished} == {"succeeded"}
    assert [job.result for job in finished if job is not finished[7]] == [n for n in range(30) if n != 7]
    assert finished[7].kwargs == {}
    assert "arguments were not kept" in finished[7].note


async def test_a_trigger_that_refuses_everything_for_a_while_costs_nothing(chancy, query):
    """While a trigger refuses all outcomes they are kept; once it is gone, each is stored with its result."""
    query(
        "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'maintenance'; END $$"
    )
    query("CREATE TRIGGER refuse BEFORE INSERT ON {s}.finished_jobs FOR EACH ROW EXECUTE FUNCTION {s}.refuse()")
    with captured_events() as events:
        async with Worker(chancy) as worker:
            references = await chancy.push_many([Job.from_func(jobs.echo, kwargs={"value": n}) for n in range(20)])
            await until(lambda: len({e["job"] for e in events if e["event"] == "outcome_refused"}) == 20, PATIENCE_S)
            assert worker.unwritten == 20
            query("DROP TRIGGER refuse ON {s}.finished_jobs")
            finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert [(job.state, job.result, job.note) for job in finished] == [("succeeded", n, None) for n in range(20)]


async def test_a_time_out_of_the_role_does_not_repeat_one_batch_for_ever(chancy, query):
    """Each row takes a while to store, and the whole batch longer than a statement may: smaller ones go through."""
    query(
        "CREATE FUNCTION {s}.slow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$"
    )
    query("CREATE TRIGGER slow BEFORE INSERT ON {s}.finished_jobs FOR EACH ROW EXECUTE FUNCTION {s}.slow()")
    async with Worker(chancy, lease_s=9, concurrency=300):
        references = await chancy.push_many([Job.from_func(jobs.noop)] * 300)
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {(job.state, job.claims) for job in finished} == {("succeeded", 1)}
