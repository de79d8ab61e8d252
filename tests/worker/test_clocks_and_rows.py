"""Clocks that jump, rows that somebody deleted, and triggers that somebody made."""

from __future__ import annotations

import asyncio

import hard_jobs
import jobs
import pytest
from support import captured_events, until
from worker_weather import PATIENCE_S, behind

from chancy_core.app import Chancy
from chancy_core.store import weather
from chancy_core.values.job import Job
from chancy_core.worker import Stopped, Worker, claim, heartbeat

pytestmark = pytest.mark.usefixtures("quick")


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
        finished = await chancy.wait_for_jobs(references, timeout=120)
    assert {job.state for job in finished} == {"succeeded"}
