"""One job is performed, or all that are pushed run at once; a context is made by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import drained_jobs
import pytest
from drained_jobs import RAN
from making import plugin

from chancy import Limit
from chancy.errors import ChancyError, InvalidJob, JobStopped, NotOpen, UnknownQueue
from chancy.testing import AsyncJobs, Jobs, job_context


def test_another_job_was_performed_instead(application, jobs):
    """That one, whatever waits before it, and even if its time has not come."""
    application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1))
    application.sync_push(drained_jobs.add.job.with_kwargs(a=2, b=2).with_priority(-5))
    later = datetime.now(UTC) + timedelta(days=1)
    done = jobs.perform(drained_jobs.add.job.with_kwargs(a=20, b=22).with_scheduled_at(later).with_priority(3))
    assert (done.state, done.result, RAN) == ("succeeded", 42, [(20, 22)])
    assert jobs.perform(drained_jobs.add_later, kwargs={"a": 1, "b": 2}).result == 3
    assert application.sync_count_jobs() == {"default": {"pending": 2}}


def test_a_performed_job_raised_and_nobody_heard(application, jobs):
    """What it raises is raised, or kept; what it pushes waits."""
    with pytest.raises(LookupError, match="of no use"):
        jobs.perform(drained_jobs.raises)
    assert jobs.perform(drained_jobs.raises, raise_=False).errors[0].message == "of no use"
    with pytest.raises(ValueError, match="not at attempt 1"):
        jobs.perform(drained_jobs.third_time_lucky)
    assert jobs.perform(drained_jobs.gives_up).note == "nobody wants it"
    with pytest.raises(InvalidJob, match="does not take these kwargs"):
        jobs.perform(drained_jobs.add, kwargs={"a": 1})
    with pytest.raises(UnknownQueue):
        jobs.perform(drained_jobs.raises, queue="nowhere")
    application.sync_pause_queue("default")
    with pytest.raises(ChancyError, match="cannot be claimed from the queue 'default': is that paused"):
        jobs.perform(drained_jobs.raises)


def test_arguments_were_those_of_the_test_and_not_of_the_row(new_chancy):
    """They go through the plugins, and the database."""
    changing = plugin(on_push=lambda self, jobs: [job.with_more_kwargs(b=40) for job in jobs])
    with new_chancy(plugins=[changing]) as chancy, Jobs(chancy) as jobs:
        assert jobs.perform(drained_jobs.add, kwargs={"a": 2, "b": 0}).result == 42


def test_a_push_left_its_job_to_a_worker_that_is_not_there(application, jobs):
    """Inline, it has run when the push returns, and what it has pushed has run."""
    with jobs.inline():
        assert application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=2)).sync_get().result == 3
        application.sync_push_many([drained_jobs.count_down.job.with_kwargs(n=2)])
        assert RAN == [(1, 2), 2, 1, 0]
        with pytest.raises(LookupError):
            application.sync_push(drained_jobs.raises)
        with jobs.manual():
            assert application.sync_push(drained_jobs.raises).sync_get().state == "pending"
    with jobs.inline(raise_=False):
        assert application.sync_push(drained_jobs.raises).sync_get().state == "failed"
    assert application.sync_push(drained_jobs.raises).sync_get().state == "pending"
    assert not {"push", "sync_push", "push_many", "sync_push_many"} & set(vars(application))


async def test_a_push_with_asyncio_left_its_job_to_a_worker(new_chancy):
    """Awaited on the loop, or in a thread."""
    async with new_chancy() as chancy, AsyncJobs(chancy) as jobs:
        with jobs.inline():
            pushed = await chancy.push(drained_jobs.count_down_later.job.with_kwargs(n=1))
            assert ((await pushed.get()).state, RAN) == ("succeeded", [1, 0])
            pushed = await asyncio.to_thread(chancy.sync_push, drained_jobs.add.job.with_kwargs(a=1, b=2))
            assert (await pushed.get()).result == 3
        assert (await jobs.perform(drained_jobs.add, kwargs={"a": 1, "b": 1})).result == 2
        assert await (await chancy.push(drained_jobs.add.job.with_kwargs(a=2, b=2))).wait()


async def test_a_push_on_a_loop_left_its_job_to_a_worker_without_asyncio(application):
    """A loop that runs in the thread of the test is not blocked by it."""
    with Jobs(application) as jobs, jobs.inline():
        pushed = await application.push(drained_jobs.count_down_later.job.with_kwargs(n=1))
        assert ((await pushed.get()).state, RAN) == ("succeeded", [1, 0])


def test_a_context_could_not_be_had_without_a_worker(application):
    """Made by hand, it has what a function asks of it."""
    told = []
    context = job_context(
        drained_jobs.count_down, kwargs={"n": 0}, told=told, attempts=2, meta={"seen": 1}, limits=[Limit("time", 60)]
    )
    drained_jobs.count_down(n=0, context=context)
    assert (context.attempt, context.func, context.meta, told[0].note) == (
        2,
        "drained_jobs.count_down",
        {"seen": 1},
        "half",
    )
    assert 0 < context.remaining_s <= 60
    with pytest.raises(NotOpen):
        context.sync_push(drained_jobs.raises)
    assert job_context(chancy=application).sync_push(drained_jobs.raises).sync_get().state == "pending"
    with pytest.raises(JobStopped, match="shutting down"):
        job_context(stopped="shutting down").checkpoint()


def test_a_job_had_to_run_to_have_ended(application, jobs):
    """It is finished without its function, with a result or an error, and retried if it has attempts left."""
    pushed = application.sync_push(drained_jobs.raises)
    assert (jobs.finish(pushed, {"made": "up"}).result, RAN) == ({"made": "up"}, [])
    later = datetime.now(UTC) + timedelta(days=1)
    pushed = application.sync_push(drained_jobs.third_time_lucky.job.with_scheduled_at(later))
    assert jobs.finish(pushed, error=TimeoutError("too slow")).state == "retrying"
    assert jobs.drain(until=later + timedelta(days=1)).succeeded == 1
    assert (RAN, pushed.sync_get().errors[0].type) == ([2, 3], "TimeoutError")
    with pytest.raises(ChancyError, match="is succeeded, and cannot be claimed"):
        jobs.finish(pushed)
