"""Tests look at what was pushed: they find it by parts of it, and are told what came near."""

from __future__ import annotations

import threading

import drained_jobs
import pytest

from chancy import Job, Queue
from chancy.errors import InvalidJob
from chancy.testing import AsyncJobs

NESTED = Job(func="jobs.echo", kwargs={"value": {"user": {"id": 7, "name": "Ada"}, "tags": ["a", "b"]}})


def test_a_job_was_found_only_by_all_of_its_arguments(application, jobs):
    """Some of them do, and some of what is in them; a function may say whether a value fits."""
    application.sync_declare(Queue("mail"))
    application.sync_push("mail", NESTED.with_priority(5))
    application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=2))
    assert jobs.assert_pushed("jobs.echo", kwargs={"value": {"user": {"id": 7}}}, queue="mail").priority == 5
    assert jobs.assert_pushed(kwargs={"value": {"tags": ("a", "b")}}, priority=lambda priority: priority > 4)
    assert [job.func for job in jobs.pushed()] == ["jobs.echo", "drained_jobs.add"]
    jobs.drain("default")
    jobs.assert_pushed(drained_jobs.add.job, state="succeeded", count=1)
    jobs.refute_pushed(drained_jobs.add, kwargs={"a": 2})
    jobs.refute_pushed(drained_jobs.add, kwargs={"c": None})
    jobs.refute_pushed("jobs.echo", kwargs={"value": {"tags": ["a"]}})


def test_a_miss_did_not_say_what_there_was_instead(application, jobs):
    """The nearest first, with what of each is another than is wanted."""
    with pytest.raises(AssertionError, match="No job at all has been pushed"):
        jobs.assert_pushed("jobs.echo")
    application.sync_push(NESTED)
    application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=2))
    with pytest.raises(AssertionError) as caught:
        jobs.assert_pushed(drained_jobs.add, kwargs={"a": 1, "b": 3}, queue="mail")
    first, *near = str(caught.value).splitlines()
    assert first == (
        "Expected a job of drained_jobs.add, kwargs={'a': 1, 'b': 3}, queue='mail', and found none. "
        "Pushed, the nearest first:"
    )
    assert near == [
        "  drained_jobs.add (pending, default): kwargs['b'] is 2; queue is 'default'",
        "  jobs.echo (pending, default): func is jobs.echo; kwargs has no 'a'; kwargs has no 'b'; queue is 'default'",
    ]
    with pytest.raises(AssertionError, match=r"Expected 2 jobs of jobs\.echo, and found 1"):
        jobs.assert_pushed("jobs.echo", count=2)
    with pytest.raises(AssertionError, match=r"no job of drained_jobs\.add, and found 1:\n  drained_jobs\.add"):
        jobs.refute_pushed(drained_jobs.add)
    with pytest.raises(InvalidJob, match="Did you mean 'priority'"):
        jobs.pushed(prio=3)


def test_what_another_thread_pushed_a_moment_later_was_missed(application, jobs):
    """`within_s` waits for it, and no longer than it takes; a refutation that waits sees it, too."""
    looked = threading.Event()

    def late():
        looked.wait()
        application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=2))

    thread = threading.Thread(target=late)
    thread.start()
    jobs.refute_pushed(drained_jobs.add)
    looked.set()
    assert jobs.assert_pushed(drained_jobs.add, within_s=60).kwargs == {"a": 1, "b": 2}
    thread.join()
    with pytest.raises(AssertionError, match="Expected no job"):
        jobs.refute_pushed(drained_jobs.add, within_s=60)


async def test_jobs_are_found_with_asyncio(new_chancy):
    """The same, awaited."""
    async with new_chancy() as chancy, AsyncJobs(chancy) as jobs:
        await jobs.refute_pushed()
        await chancy.push(drained_jobs.add.job.with_kwargs(a=1, b=2))
        assert await jobs.assert_pushed(drained_jobs.add, within_s=60) == (await jobs.pushed())[0]
        with pytest.raises(AssertionError, match=r"kwargs\['a'\] is 1"):
            await jobs.assert_pushed(drained_jobs.add, kwargs={"a": 2})
        with pytest.raises(AssertionError, match="Expected no job"):
            await jobs.refute_pushed(drained_jobs.add)
