"""A worker is stopped while its database hangs, refuses or is away."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import hard_jobs
import jobs
import pytest
from support import captured_events, until
from worker_weather import PATIENCE_S

from chancy_core.app import Chancy
from chancy_core.values.job import Job
from chancy_core.worker import Stopped, Worker, aside, finish, stopping

pytestmark = pytest.mark.usefixtures("quick")


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
    monkeypatch.setattr(aside, "LONGEST_ASIDE_S", 60.0)
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
        worker._parts.claimers.wake_all()
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
