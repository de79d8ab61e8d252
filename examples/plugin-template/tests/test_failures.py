"""Failures are written down, together with the outcome."""

import pytest
from chancy import Backoff, Job, Queue, State, Worker

from acme_chancy import Failures


async def work():
    """Succeed."""


async def fail(*, why):
    raise LookupError(why)


async def finished(chancy, *jobs):
    async with Worker(chancy):
        return await chancy.wait_for_jobs(await chancy.push_many(list(jobs)), timeout=20)


async def test_each_failed_job_has_its_row_and_no_other_has_one(new_chancy, query):
    """Two fail, one of them after a second attempt, and one succeeds."""
    async with new_chancy(Failures()) as chancy:
        one, two, _ = await finished(
            chancy,
            Job.from_func(fail, kwargs={"why": "no such account"}),
            Job.from_func(fail, kwargs={"why": "nor this one"}, max_attempts=2, backoff=Backoff.fixed(0.01)),
            Job.from_func(work),
        )
    rows = query("SELECT job, error, message FROM {s}.acme_failures ORDER BY message")
    assert rows == [(one.id, "LookupError", "no such account"), (two.id, "LookupError", "nor this one")]


async def test_the_row_commits_with_the_outcome(new_chancy, query):
    """Both carry the time at which their transaction began: it is the same transaction."""
    async with new_chancy(Failures()) as chancy:
        await finished(chancy, Job.from_func(fail, kwargs={"why": "x"}))
    ((together,),) = query("SELECT failed_at = finished_at FROM {s}.acme_failures JOIN {s}.finished_jobs ON id = job")
    assert together


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
