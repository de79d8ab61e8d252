"""Failures are written down, exactly once, however they came about."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from chancy import Backoff, Job, Queue, State, Worker
from chancy.testing import AsyncJobs

from acme_chancy import Failures


async def work():
    """Succeed."""


async def fail(*, why):
    raise LookupError(why)


async def vanish():
    os._exit(1)


# A worker in a process of its own, until that ends.
WORKER = """
import asyncio, sys
from chancy import Chancy, Worker

async def main():
    async with Chancy(sys.argv[1], schema=sys.argv[2], discover=False) as chancy, Worker(chancy, lease_s=1) as worker:
        await worker.wait_for_shutdown()

asyncio.run(main())
"""


async def finished(chancy, *jobs):
    async with Worker(chancy):
        return await chancy.wait_for_jobs(await chancy.push_many(list(jobs)), timeout=60)


async def test_each_failed_job_has_its_row_and_no_other_has_one(new_chancy, schema):
    """Two fail, one of them after a second attempt, and one succeeds: drained in a transaction that is rolled back."""
    async with new_chancy(Failures()) as chancy, AsyncJobs(chancy) as jobs:
        one, two, _ = await chancy.push_many(
            Job.from_func(fail, kwargs={"why": "no such account"}),
            Job.from_func(fail, kwargs={"why": "nor this one"}, max_attempts=2, backoff=Backoff.fixed(60)),
            Job.from_func(work),
        )
        await jobs.drain(until=timedelta(hours=1), raise_=False)
        async with chancy.pool.connection() as connection:
            rows = await connection.execute(f"SELECT job, error, message FROM {schema}.acme_failures ORDER BY message")
            assert await rows.fetchall() == [
                (one, "LookupError", "no such account"),
                (two, "LookupError", "nor this one"),
            ]


async def test_the_row_commits_with_the_outcome(new_chancy, query):
    """Both carry the time at which their transaction began: it is the same transaction."""
    async with new_chancy(Failures()) as chancy:
        await finished(chancy, Job.from_func(fail, kwargs={"why": "x"}))
    ((together,),) = query("SELECT failed_at = finished_at FROM {s}.acme_failures JOIN {s}.finished_jobs ON id = job")
    assert together


async def test_a_job_that_fails_again_has_another_row(new_chancy, query):
    """It is brought back by hand; each of its two failures is told."""
    async with new_chancy(Failures()) as chancy:
        (job,) = await finished(chancy, Job.from_func(fail, kwargs={"why": "x"}))
        await chancy.retry_jobs([job.id])
        async with Worker(chancy):
            await chancy.wait_for_jobs([job.id], timeout=60)
    assert query("SELECT job, count(DISTINCT claims) FROM {s}.acme_failures GROUP BY job") == [(job.id, 2)]


async def test_a_job_whose_worker_was_lost_has_a_row(new_chancy, query, until, dsn, schema):
    """It has no attempt left when another worker takes it back: the row says why."""
    async with new_chancy(Failures()) as chancy:
        reference = await chancy.push(Job.from_func(vanish))
        here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        lost = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, dsn, schema, env=here)
        await asyncio.wait_for(lost.wait(), timeout=60)
        async with Worker(chancy, lease_s=1):
            await until(lambda: query("SELECT job FROM {s}.acme_failures") == [(reference.identifier,)])
    ((error, message),) = query("SELECT error, message FROM {s}.acme_failures")
    assert error == "WorkerLost"
    assert "stopped renewing its lease" in message


async def test_only_the_queues_that_are_named_are_written_down(new_chancy, query):
    """A failure in another queue leaves no row."""
    async with new_chancy(Failures(queues=["billing"])) as chancy:
        await chancy.declare(Queue("billing"))
        job = Job.from_func(fail, kwargs={"why": "x"})
        await finished(chancy, job, job.with_queue("billing"))
    assert query("SELECT queue FROM {s}.acme_failures") == [("billing",)]


async def test_a_plugin_that_cannot_write_loses_no_outcome(new_chancy, query):
    """Its table is gone: the job is recorded as failed all the same, and the host knows whose fault the rest was."""
    async with new_chancy(Failures()) as chancy:
        query("DROP TABLE {s}.acme_failures")
        (job,) = await finished(chancy, Job.from_func(fail, kwargs={"why": "x"}))
        assert job.state is State.FAILED
        assert "acme_failures" in chancy.plugins.last_error["failures"]


def test_an_empty_list_of_queues_is_refused_where_it_is_set():
    """It would never write anything."""
    with pytest.raises(ValueError, match="queues is empty"):
        Failures(queues=[])
