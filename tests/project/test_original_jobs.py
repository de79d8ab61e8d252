"""What the documentation of Chancy 0 shows of jobs, retries and the context runs here; only priorities change sign."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import jobs
import original_jobs
import pytest
from original_jobs import (
    about_itself,
    changes_itself,
    counts_in_meta,
    endless,
    hello,
    limited,
    ping,
    step_by_step,
)
from support import WITHIN_S

from chancy import Chancy, Job, Worker


@pytest.fixture(autouse=True)
def nothing_done():
    """Each test begins anew."""
    original_jobs.done.clear()


# -- making jobs ---------------------------------------------------------------------------


def test_a_decorated_function_is_called_as_before():
    """`@job()` leaves the function as it is, and gives it a job with the fields that were named."""
    ping()
    hello(name="you")
    assert original_jobs.done == ["ping", "Hello, you!"]
    assert (ping.job.func, ping.job.queue, ping.job.priority) == ("original_jobs.ping", "default", 0)
    assert (hello.job.priority, hello.job.max_attempts, hello.job.kwargs) == (1, 3, {"name": "World"})


async def test_what_the_decorator_says_can_be_changed_for_one_push(chancy):
    """`push(greet.job.with_kwargs(name="Alice"))`; the function's own job stays."""
    async with Worker(chancy):
        alice = await chancy.push(hello.job.with_kwargs(name="Alice"))
        world = await chancy.push(hello)
        await chancy.wait_for_jobs([alice, world], timeout=WITHIN_S)
    assert sorted(original_jobs.done) == ["Hello, Alice!", "Hello, World!"]


def test_every_with_method_makes_another_job():
    """Jobs do not change."""
    before = hello.job
    at = datetime.now(timezone.utc) + timedelta(hours=1)  # noqa: UP017 -- as documented
    after = (
        before.with_kwargs({"name": "Bob"})
        .with_priority(-10)
        .with_max_attempts(5)
        .with_scheduled_at(at)
        .with_limits([])
        .with_unique_key("bob")
        .with_queue("default")
        .with_meta({"from": "here"})
    )
    assert (after.kwargs, after.priority, after.max_attempts) == ({"name": "Bob"}, -10, 5)
    assert (after.scheduled_at, after.unique_key, after.meta) == (at, "bob", {"from": "here"})
    assert (before.kwargs, before.priority, before.unique_key) == ({"name": "World"}, 1, None)
    with pytest.raises(AttributeError):
        before.priority = 5


# -- pushing, and waiting ------------------------------------------------------------------


async def test_a_function_is_pushed_and_waited_for(dsn, schema):
    """`push(greet)`, `wait_for_job(reference)`, and its state compared with `finished.State.SUCCEEDED`."""
    async with Chancy(dsn, schema=schema) as chancy:
        await chancy.migrate()
        async with Worker(chancy):
            reference = await chancy.push(ping)
            finished = await chancy.wait_for_job(reference)
            assert finished.state == finished.State.SUCCEEDED
            assert (await chancy.get_job(reference)).state == finished.State.SUCCEEDED
    assert original_jobs.done == ["ping"]


async def test_many_are_pushed_as_a_list(chancy):
    """`push_many([job1, job2, job3])`."""
    job1, job2, job3 = (Job.from_func(jobs.echo, kwargs={"value": n}) for n in (1, 2, 3))
    async with Worker(chancy):
        references = await chancy.push_many([job1, job2, job3])
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert [job.result for job in finished] == [1, 2, 3]


def test_all_of_it_works_without_asyncio(new_chancy):
    """`sync_push`, `sync_push_many`, `sync_get_job`."""
    with new_chancy() as chancy:
        reference = chancy.sync_push(ping)
        assert chancy.sync_get_job(reference).state == "pending"
        assert len(chancy.sync_push_many([ping, hello])) == 2


async def test_priorities_have_the_other_sign(chancy):
    """What was `with_priority(10)` to run first is `with_priority(-10)`."""
    late, soon = (Job.from_func(jobs.echo, kwargs={"value": n}) for n in (1, 2))
    references = await chancy.push_many([late.with_priority(10), soon.with_priority(-10)])
    async with Worker(chancy, concurrency=1):
        first, second = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert second.started_at <= first.started_at


async def test_a_job_for_later_runs_at_its_time_or_after(chancy):
    """`with_scheduled_at(datetime.now(timezone.utc) + timedelta(…))`."""
    soon = datetime.now(timezone.utc) + timedelta(seconds=0.3)  # noqa: UP017
    async with Worker(chancy):
        later = await chancy.push(ping.job.with_scheduled_at(soon + timedelta(hours=1)))
        finished = await chancy.wait_for_job(await chancy.push(ping.job.with_scheduled_at(soon)), timeout=WITHIN_S)
        assert finished.started_at >= soon
        assert (await chancy.get_job(later)).attempts == 0


async def test_one_of_a_unique_key_is_queued_at_a_time(chancy):
    """`with_unique_key("greet_alice").with_kwargs(name="Alice")`; once it has ended, there may be another."""
    alice = hello.job.with_unique_key("greet_alice").with_kwargs(name="Alice")
    first, second = await chancy.push(alice), await chancy.push(alice)
    assert first == second
    async with Worker(chancy):
        await chancy.wait_for_job(first, timeout=WITHIN_S)
        assert await chancy.push(alice) != first


# -- limits, retries, the context ----------------------------------------------------------


async def test_limits_are_kept_and_a_memory_limit_runs_in_a_child(chancy):
    """`@job(limits=[Limit(Limit.Type.MEMORY, …), Limit(Limit.Type.TIME, 60)])`."""
    async with Worker(chancy):
        reference = await chancy.push(limited.job.with_kwargs(name="Eve"))
        finished = await chancy.wait_for_job(reference, timeout=WITHIN_S)
    assert [limit.value for limit in finished.limits] == [1024**3, 60]
    assert finished.state == "succeeded", finished.errors
    assert 0 < finished.peak_bytes < 1024**3


async def test_a_job_checks_its_time_limit_itself(chancy):
    """`context.checkpoint()` between steps; past the limit it ends the run, with a TimeoutError."""
    async with Worker(chancy):
        fine, late = await chancy.push(step_by_step), await chancy.push(endless)
        assert (await chancy.wait_for_job(fine, timeout=WITHIN_S)).result == [0, 1, 2]
        failed = await chancy.wait_for_job(late, timeout=WITHIN_S)
    assert failed.state == "failed"
    assert "TimeLimitExceeded" in failed.errors[-1]["traceback"]


async def test_a_function_gets_its_job_by_the_annotation(chancy):
    """By a keyword-only parameter annotated `QueuedJob`, whatever it is called."""
    async with Worker(chancy):
        reference = await chancy.push(about_itself)
        finished = await chancy.wait_for_job(reference, timeout=WITHIN_S)
    # Attempts are counted when they start, as "coming from Chancy 0" says.
    assert finished.result == [str(reference), 1]


async def test_the_context_does_not_change_but_for_its_meta(chancy):
    """Setting its id raises; what is put into `meta` is there at the next attempt."""
    async with Worker(chancy):
        changed, counted = await chancy.push(changes_itself), await chancy.push(counts_in_meta)
        refused = await chancy.wait_for_job(changed, timeout=WITHIN_S)
        failed = await chancy.wait_for_job(counted, timeout=WITHIN_S)
    assert refused.state == "failed"
    assert "immutable" in refused.errors[0]["traceback"]
    assert (failed.state, failed.attempts, failed.meta) == ("failed", 3, {"attempts": 3})
    assert [error["attempt"] for error in failed.errors] == [1, 2, 3]
    assert "ValueError: This job fails." in failed.errors[0]["traceback"]
