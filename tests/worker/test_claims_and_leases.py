"""Claims and leases when the database is slow, and how large a claim and a batch may be."""

from __future__ import annotations

import asyncio
import signal

import hard_jobs
import jobs
import psycopg
import pytest
from children import nursery
from support import captured_events, lock_tables, until
from worker_weather import PATIENCE_S, behind, lost

from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker import Worker, claim, finish, record

pytestmark = pytest.mark.usefixtures("quick")


async def test_a_claim_that_waited_for_a_lock_longer_than_the_lease_runs_nothing(chancy, query, dsn):
    """A lock on the queues' table holds a claim until the lease is over: no job of it is run, and none is lost."""
    async with Worker(chancy, lease_s=2) as worker:
        async with await psycopg.AsyncConnection.connect(dsn) as somebody:
            await lock_tables(somebody, chancy.settings.schema, "queues", "workers")
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


async def test_a_claim_is_bounded_by_bytes_and_the_rest_follows_at_once(chancy, monkeypatch):
    """Large arguments come a few at a time, without a pause between, and in their order."""
    monkeypatch.setattr(claim, "CLAIM_MAX_BYTES", 1000)
    sizes = []
    real = claim.Claimer._look

    async def noted(self, wanted, within=None):
        answer = await real(self, wanted, within)
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
