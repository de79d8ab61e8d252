"""What a worker does when its database hangs, refuses, is read-only, or is locked by somebody."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import asynccontextmanager
from datetime import timedelta

import hard_jobs
import jobs
import psycopg
import pytest
from chaos.relay import Relay
from children import nursery
from support import captured_events, until

from chancy_core.app import Chancy
from chancy_core.store import weather
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker import Stopped, Worker, claim, finish, heartbeat, record, stopping

# What an idle machine does in a second or two.
PATIENCE_S = 90.0


@pytest.fixture
def relay(dsn):
    with Relay(dsn) as between:
        yield between


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Deadlines of three seconds instead of five; a busy machine may need one for a statement."""
    monkeypatch.setattr(weather, "DEADLINE_MIN_S", 3.0)


@asynccontextmanager
async def behind(relay: Relay, chancy: Chancy, **options):
    """A worker whose connections go through the relay."""
    async with (
        Chancy(relay.dsn, schema=chancy.settings.schema, discover=False) as other,
        Worker(other, **options) as it,
    ):
        yield it


def lost(chancy_query) -> list:
    return chancy_query("SELECT id FROM {s}.finished_jobs WHERE errors::text LIKE '%%WorkerLost%%'")


# -- a connection that hangs ---------------------------------------------------------------


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
        worker._parts.lanes.wake_all()
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


# -- locks, and what a server refuses for a while ------------------------------------------


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


async def test_a_read_only_minute_costs_no_result(chancy, query, dsn):
    """The database becomes read-only and writable again: every outcome is kept with its result."""
    hard_jobs.gate.clear()
    name = query("SELECT current_database()")[0][0]
    async with Worker(chancy, lease_s=30) as worker:
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 10)
        await until(lambda: worker.running == 10, PATIENCE_S)
        try:
            with captured_events() as events:
                # For sessions that begin now, and for those that are.
                query(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
                query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chancy finish'")
                hard_jobs.gate.set()
                await until(lambda: [e for e in events if e["event"] == "finish_failed"], PATIENCE_S)
        finally:
            with psycopg.connect(dsn, autocommit=True) as admin:
                admin.execute("SET default_transaction_read_only = off")
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


# -- claims and leases ---------------------------------------------------------------------


async def test_a_claim_that_waited_for_a_lock_longer_than_the_lease_runs_nothing(chancy, query, dsn):
    """A lock on the queues' table holds a claim until the lease is over: no job of it is run, and none is lost."""
    async with Worker(chancy, lease_s=2) as worker:
        async with await psycopg.AsyncConnection.connect(dsn) as somebody:
            await somebody.execute(
                f"LOCK TABLE {chancy.settings.schema}.queues, {chancy.settings.schema}.workers".encode()
            )
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as pusher:
                await pusher.execute(
                    f"INSERT INTO {chancy.settings.schema}.jobs (id, queue, func) "
                    "SELECT gen_random_uuid(), 'default', 'jobs.noop' FROM generate_series(1, 40)".encode()
                )
            await until(lambda: not worker.lease_held, PATIENCE_S)
            await somebody.rollback()
        await until(lambda: query("SELECT count(*) FROM {s}.finished_jobs") == [(40,)], PATIENCE_S)
    assert query("SELECT DISTINCT state, attempts FROM {s}.finished_jobs") == [("succeeded", 1)]
    assert lost(query) == []


async def test_a_lease_that_lies_too_far_ahead_ends_in_time(chancy, query):
    """The clock was set back by an hour since a lost worker renewed: its jobs are rescued all the same."""
    query(
        "INSERT INTO {s}.workers (worker, tags, lease_s, lease_until) VALUES ('gone', '{}', 1, now() + interval '1 h')"
    )
    query(
        "INSERT INTO {s}.jobs (id, queue, func, state, worker, attempts, claims, max_attempts, started_at) "
        "SELECT gen_random_uuid(), 'default', 'jobs.noop', 'running', 'gone', 1, 1, 2, now() FROM generate_series(1, 3)"
    )
    with captured_events() as events:
        async with Worker(chancy, lease_s=2):
            await until(lambda: query("SELECT count(*) FROM {s}.finished_jobs") == [(3,)], PATIENCE_S)
    assert [event["workers"] for event in events if event["event"] == "clock_set_back"] == [["gone"]]


async def test_who_was_cut_off_himself_rescues_nobody_for_a_lease(chancy, query, relay):
    """A worker comes back first after everybody was cut off: it lets the others renew, and their runs are good."""
    hard_jobs.gate.clear()
    async with Worker(chancy, lease_s=4, concurrency=10) as other:
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 10)
        await until(lambda: other.running == 10, PATIENCE_S)
        async with behind(relay, chancy, lease_s=4, tags=["idle"]) as first:
            relay.stall()
            await until(lambda: not first.lease_held, PATIENCE_S)
            # The other one's lease looks old to whoever comes back now; it renews a moment later.
            query("UPDATE {s}.workers SET lease_until = now() - interval '1 s' WHERE worker <> %s", first.name)
            relay.pass_all()
            relay.cut()
            await until(lambda: first.lease_held, PATIENCE_S)
            hard_jobs.gate.set()
            finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
            assert first.rescued == 0
    assert {(job.state, job.claims) for job in finished} == {("succeeded", 1)}


async def test_a_killed_workers_jobs_run_again_although_the_survivor_is_idle(chancy, new_child, query):
    """A worker is killed while it runs jobs; one that has nothing to do notices by itself when the lease is over."""
    await chancy.declare(Queue("q", tags=["victim", "survivor"]))
    victim = new_child(worker={"lease_s": 4, "tags": ["victim"]})
    await asyncio.to_thread(victim.ready)
    references = await chancy.push_many("q", [Job.from_func(hard_jobs.until_gate, max_attempts=2)] * 5)
    await until(lambda: query("SELECT count(*) FROM {s}.jobs WHERE state = 'running'") == [(5,)], PATIENCE_S)
    hard_jobs.gate.set()
    async with Worker(chancy, lease_s=4, tags=["survivor"]):
        victim.send(signal.SIGKILL)
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {(job.state, job.attempts) for job in finished} == {("succeeded", 2)}


@pytest.fixture
def new_child(tmp_path, dsn, schema):
    with nursery(tmp_path, dsn, schema) as new:
        yield new


# -- stopping ------------------------------------------------------------------------------


async def test_stop_and_wait_for_shutdown_run_one_shutdown(chancy):
    """Whoever stops it, and however many wait for that: there is one shutdown, and one answer."""
    worker = Worker(chancy)
    await worker.start()
    waiting = asyncio.create_task(worker.wait_for_shutdown(signals=False))
    with captured_events() as events:
        answers = await asyncio.gather(worker.stop(), waiting, worker.stop())
    assert answers == [Stopped.DRAINED] * 3
    assert [event["event"] for event in events].count("worker_stopping") == 1
    assert [event["event"] for event in events].count("worker_stopped") == 1


async def test_unwritten_outcomes_are_told_and_keep_the_workers_row(chancy, query, relay, monkeypatch):
    """The database is gone at the end: the exit says so, how many there are, and nobody takes it for a goodbye."""
    monkeypatch.setattr(stopping, "WRITE_WITHIN_S", 1.0)
    monkeypatch.setattr(stopping, "RESIGN_WITHIN_S", 1.0)
    hard_jobs.gate.clear()
    async with Chancy(relay.dsn, schema=chancy.settings.schema, discover=False) as other:
        worker = Worker(other, lease_s=60)
        await worker.start()
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 7)
        await until(lambda: worker.running == 7, PATIENCE_S)
        relay.stall()
        hard_jobs.gate.set()
        with captured_events() as events:
            assert await asyncio.wait_for(worker.stop(), PATIENCE_S) is Stopped.UNWRITTEN
        # What was held back is not delivered.
        relay.cut()
        relay.pass_all()
    assert [event["count"] for event in events if event["event"] == "outcomes_not_written"] == [7]
    assert query("SELECT worker FROM {s}.workers") == [(worker.name,)]
    assert {job.state for job in await chancy.get_jobs(references)} == {"running"}


async def test_refused_outcomes_are_written_before_the_end(chancy, query, monkeypatch):
    """An outcome that was set aside is not forgotten by a stop: it is written with whatever the database takes."""
    monkeypatch.setattr(finish, "LONGEST_PAUSE_S", 30.0)
    monkeypatch.setattr(finish, "LONGEST_ASIDE_S", 60.0)
    query("ALTER TABLE {s}.finished_jobs ADD CONSTRAINT no_poison CHECK (kwargs::text <> '{\"value\":13}')")
    with captured_events() as events:
        async with Worker(chancy) as worker:
            reference = await chancy.push(Job.from_func(jobs.echo, kwargs={"value": 13}))
            await until(lambda: [e for e in events if e["event"] == "outcome_refused"], PATIENCE_S)
            assert await worker.stop() is Stopped.DRAINED
    job = await reference.get()
    assert (job.state, job.result) == ("succeeded", 13)
    assert "arguments were not kept" in job.note


async def test_a_stop_while_a_claim_hangs_ends_and_loses_no_job(chancy, query, relay, monkeypatch):
    """A claim was answered into nothing while the worker is told to stop: its jobs are handed back before it goes."""
    async with Chancy(relay.dsn, schema=chancy.settings.schema, discover=False) as other:
        worker = Worker(other, lease_s=60)
        await worker.start()
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=PATIENCE_S)
        relay.stall("chancy claim", directions=["down"], new=False)
        references = await chancy.push_many([Job.from_func(jobs.noop)] * 5)
        # The notification is held back as well.
        worker._parts.lanes.wake_all()
        await until(lambda: query("SELECT count(*) FROM {s}.jobs WHERE state = 'running'") == [(5,)], PATIENCE_S)
        assert await asyncio.wait_for(worker.stop(), PATIENCE_S) is Stopped.DRAINED
    assert {(job.state, job.attempts) for job in await chancy.get_jobs(references)} == {("pending", 0)}
    assert query("SELECT count(*) FROM {s}.workers") == [(0,)]


async def test_told_twice_it_ends_although_its_database_hangs(chancy, relay):
    """Nothing answers any more: the second order ends the worker without waiting for any step."""
    hard_jobs.gate.clear()
    async with Chancy(relay.dsn, schema=chancy.settings.schema, discover=False) as other:
        worker = Worker(other, lease_s=600, grace_s=600)
        await worker.start()
        await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 3)
        await until(lambda: worker.running == 3, PATIENCE_S)
        waiting = asyncio.create_task(worker.wait_for_shutdown(signals=False))
        relay.stall()
        worker.shut_down()
        await asyncio.sleep(0)
        worker.shut_down()
        assert await asyncio.wait_for(waiting, PATIENCE_S) is Stopped.UNWRITTEN
        relay.pass_all()
        relay.cut()


async def test_a_worker_never_rescues_its_own_runs(chancy, query):
    """Its lease ran out in the database without its knowledge, and it is the only worker: its runs stay its own."""
    hard_jobs.gate.clear()
    async with Worker(chancy, lease_s=2) as worker:
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 5)
        await until(lambda: worker.running == 5, PATIENCE_S)
        await until(lambda: not worker._parts.lease.unsteady_s, PATIENCE_S)
        for _ in range(20):
            query("UPDATE {s}.workers SET lease_until = now() - %s", timedelta(seconds=5))
            worker._parts.rescuer.leases_seen(living=1, expired=True, lost_in_s=0.0)
            await asyncio.sleep(0.05)
        hard_jobs.gate.set()
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
        assert worker.rescued == 0
    assert {job.state for job in finished} == {"succeeded"}


# -- sizes ---------------------------------------------------------------------------------


async def test_a_claim_is_bounded_by_bytes_and_the_rest_follows_at_once(chancy, monkeypatch):
    """Large arguments come a few at a time, without a pause between, and in their order."""
    monkeypatch.setattr(claim, "CLAIM_MAX_BYTES", 1000)
    sizes = []
    real = claim.Claimer._look

    async def noted(self, wanted, run_flow):
        answer = await real(self, wanted, run_flow)
        sizes.append(len(answer[0]))
        return answer

    monkeypatch.setattr(claim.Claimer, "_look", noted)
    # Nobody would look again by himself within the test.
    await chancy.declare(Queue("q", polling_interval=600))
    async with Worker(chancy, lease_s=600):
        references = await chancy.push_many(
            "q", [Job.from_func(jobs.echo, kwargs={"value": f"{n:03}" * 40}) for n in range(60)]
        )
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert [job.result for job in finished] == [f"{n:03}" * 40 for n in range(60)]
    assert 1 < max(sizes) < 12


async def test_large_results_are_written_in_batches_that_a_statement_can_hold(chancy, monkeypatch):
    """Results that together exceed what one statement is given are written by several, each result whole."""
    monkeypatch.setattr(finish, "BATCH_MAX_BYTES", 100_000)
    sizes = []
    real = record.Recorder.write

    async def noted(self, batch, **how):
        sizes.append(sum(map(record.size_of, batch)))
        return await real(self, batch, **how)

    monkeypatch.setattr(record.Recorder, "write", noted)
    async with Worker(chancy):
        references = await chancy.push_many(
            [Job.from_func(jobs.echo, kwargs={"value": 'q"\\' * 10_000}) for _ in range(20)]
        )
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {job.result for job in finished} == {'q"\\' * 10_000}
    assert max(sizes) < 200_000


# -- clocks, and rows that somebody deleted ------------------------------------------------


def test_a_clock_that_jumps_is_noticed_and_one_that_drifts_is_not():
    """Forward or back by more than clocks drift apart; a slow answer alone proves nothing."""
    clock = heartbeat.DatabaseClock()
    assert not clock.jumped(1000.0, 10.0, 10.1)
    assert not clock.jumped(1005.3, 15.0, 15.1)
    # Sent at 20, answered at 29: it may have looked at any time between.
    assert not clock.jumped(1012.0, 20.0, 29.0)
    assert not clock.jumped(1021.0, 30.0, 30.1)
    assert clock.jumped(4621.0, 30.2, 30.3)
    assert not clock.jumped(4626.0, 35.2, 35.3)
    assert clock.jumped(1036.0, 45.2, 45.3)


async def test_a_clock_that_jumps_forward_costs_no_good_run(chancy, query, monkeypatch):
    """All leases end at once: whoever sees that first lets the others renew, although its own renewals went well."""
    hard_jobs.gate.clear()
    async with (
        Worker(chancy, lease_s=4, tags=["busy"], name="one") as one,
        Worker(chancy, lease_s=4, tags=["busy"], name="two") as two,
    ):
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 200)
        await until(lambda: one.running and two.running, PATIENCE_S)
        await until(lambda: not one._parts.lease.unsteady_s and not two._parts.lease.unsteady_s, PATIENCE_S)
        # What the second worker's heartbeat reads is an hour later, and so are the leases.
        real = heartbeat.Heartbeat._look

        def ahead(self):
            known, now_s, signs = yield from real(self)
            return known, now_s + 3600 * (self is two._parts.heartbeat), signs

        monkeypatch.setattr(heartbeat.Heartbeat, "_look", ahead)
        query("UPDATE {s}.workers SET lease_until = now() - interval '1 s' WHERE worker LIKE 'one%%'")
        two._parts.rescuer.leases_seen(living=1, expired=True, lost_in_s=0.0)
        hard_jobs.gate.set()
        finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
        assert two.rescued == 0
    assert {job.state for job in finished} == {"succeeded"}


async def test_a_deleted_row_of_a_worker_costs_no_run(chancy, query):
    """Somebody deletes the rows of all workers while they run jobs: they go on, and every run is recorded."""
    hard_jobs.gate.clear()
    async with Worker(chancy, lease_s=4) as one, Worker(chancy, lease_s=4) as other:
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 20)
        await until(lambda: one.running + other.running == 20, PATIENCE_S)
        await until(lambda: not one._parts.lease.unsteady_s and not other._parts.lease.unsteady_s, PATIENCE_S)
        with captured_events() as events:
            query("DELETE FROM {s}.workers")
            await until(lambda: [e["event"] for e in events].count("worker_forgotten") >= 2, PATIENCE_S)
            hard_jobs.gate.set()
            finished = await chancy.wait_for_jobs(references, timeout=PATIENCE_S)
    assert {(job.state, job.claims) for job in finished} == {("succeeded", 1)}


async def test_runs_that_others_have_taken_meanwhile_are_stopped(chancy, query):
    """The row is gone, and so are some of the jobs: those are stopped here, and the others go on."""
    hard_jobs.gate.clear()
    async with Worker(chancy, lease_s=4) as worker:
        references = await chancy.push_many([Job.from_func(hard_jobs.until_gate, max_attempts=9)] * 10)
        await until(lambda: worker.running == 10, PATIENCE_S)
        with captured_events() as events:
            query(
                "WITH gone AS (DELETE FROM {s}.workers) "
                "UPDATE {s}.jobs SET claims = claims + 1, worker = 'another' WHERE id = ANY (%s)",
                [reference.identifier for reference in references[:4]],
            )
            await until(lambda: worker.running == 6, PATIENCE_S)
            hard_jobs.gate.set()
            finished = await chancy.wait_for_jobs(references[4:], timeout=PATIENCE_S)
    assert {(job.state, job.claims) for job in finished} == {("succeeded", 1)}
    assert [event["count"] for event in events if event["event"] == "jobs_stopped"] == [4]


async def test_a_worker_whose_every_claim_fails_gives_up(chancy, monkeypatch):
    """Something in the process is wrong, as after an upgrade under its feet: it ends, and says what fails."""

    def broken(self, wanted, ranges):
        raise KeyError("bytes")
        yield

    async with Worker(chancy, lease_s=2) as worker:
        with captured_events() as events:
            monkeypatch.setattr(claim.Claimer, "_claim_flow", broken)
            await chancy.push(Job.from_func(jobs.noop))
            answer = await asyncio.wait_for(worker.wait_for_shutdown(signals=False), PATIENCE_S)
    assert answer is Stopped.GAVE_UP
    assert "Every claim" in next(event["reason"] for event in events if event["event"] == "worker_gave_up")


async def test_a_worker_that_starts_before_its_database_waits_for_it(chancy, relay):
    """The database lets nobody in at first: the worker starts as soon as it does."""
    async with Chancy(relay.dsn, schema=chancy.settings.schema, discover=False) as other:
        worker = Worker(other)
        with captured_events() as events:
            relay.refuse()
            starting = asyncio.create_task(worker.start())
            await until(lambda: [e for e in events if e["event"] == "start_waits"], PATIENCE_S)
            relay.accept()
            await starting
        job = await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=PATIENCE_S)
        assert job.state == "succeeded"
        await worker.stop()


async def test_a_job_that_a_trigger_keeps_from_being_claimed_holds_up_no_other(chancy, query):
    """Jobs that cannot be claimed are found, reported once, and left alone; all others of the queue run."""
    query(
        "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.state = 'running' AND NEW.kwargs->>'value' IN ('3', '17') THEN RAISE EXCEPTION 'not this one'; END IF; "
        "RETURN NEW; END $$"
    )
    query("CREATE TRIGGER refuse BEFORE UPDATE ON {s}.jobs FOR EACH ROW EXECUTE FUNCTION {s}.refuse()")
    references = await chancy.push_many([Job.from_func(jobs.echo, kwargs={"value": n}) for n in range(40)])
    with captured_events() as events:
        async with Worker(chancy):
            others = [reference for n, reference in enumerate(references) if n not in (3, 17)]
            await chancy.wait_for_jobs(others, timeout=PATIENCE_S)
            later = await chancy.push(Job.from_func(jobs.noop))
            await later.wait(timeout=PATIENCE_S)
            refused = [event["job"] for event in events if event["event"] == "claim_refused"]
    assert sorted(refused) == sorted([str(references[3]), str(references[17])])
    assert {(await references[n].get()).state for n in (3, 17)} == {"pending"}


async def test_a_connection_that_hangs_leaves_no_worker_deaf(chancy, relay, monkeypatch):
    """The connection that listens is given up with one that hangs, and opened again at once, though nobody uses it."""
    # No heartbeat comes meanwhile, and yet a connection waits for no more than three seconds.
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 3600.0)
    monkeypatch.setattr(weather, "PARTS_OF_LEASE", 3600)
    async with behind(relay, chancy, lease_s=3600):
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=PATIENCE_S)
        relay.stall("chancy finish", new=False)
        before = relay.opened.count("chancy claim")
        with captured_events() as events:
            await chancy.push(Job.from_func(jobs.noop))
            # The duty that listens does it, and not whoever happens to use the connection next.
            await until(lambda: "listen" in {e["duty"] for e in events if e["event"] == "database_lost"}, PATIENCE_S)
        await until(lambda: relay.opened.count("chancy claim") > before, PATIENCE_S)


async def test_rows_that_take_long_to_claim_are_claimed_fewer_at_a_time(chancy, query):
    """A trigger makes each claimed row slow, and the whole claim longer than a statement may take: fewer go through."""
    query(
        "CREATE FUNCTION {s}.slow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.state = 'running' THEN PERFORM pg_sleep(0.1); END IF; RETURN NEW; END $$"
    )
    query("CREATE TRIGGER slow BEFORE UPDATE ON {s}.jobs FOR EACH ROW EXECUTE FUNCTION {s}.slow()")
    references = await chancy.push_many([Job.from_func(jobs.noop)] * 100)
    # The whole claim takes ten seconds, and may take five.
    async with Worker(chancy, lease_s=15, concurrency=100):
        finished = await chancy.wait_for_jobs(references, timeout=40)
    assert {job.state for job in finished} == {"succeeded"}
