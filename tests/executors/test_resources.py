"""What `@provides` sets up is one for a worker, given to functions that name it, and torn down at the stop."""

from __future__ import annotations

import functools
from pathlib import Path

import provided_jobs
import pytest
from provided_jobs import diary, failures
from support import WITHIN_S, captured_events, until

from chancy import Chancy, Job, Queue, Worker, provides
from chancy.testing import AsyncJobs, Jobs
from chancy_core.errors import InvalidJob
from chancy_core.executors.elsewhere import RunSettings, run_job


@pytest.fixture(autouse=True)
def _empty_diary():
    diary.clear()
    failures.clear()


async def results(chancy, func, count=3, queue="default"):
    job = func.job
    pushed = await chancy.push_many(queue, [job.with_kwargs(value=n) for n in range(count)])
    found = await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert [done.state for done in found] == ["succeeded"] * count, [done.errors for done in found]
    return [done.result for done in found]


async def test_each_is_set_up_once_a_worker_and_torn_down_at_its_stop(chancy):
    """For functions on the loop and in threads; the last that was set up goes first; and again for the next worker."""
    async with Worker(chancy):
        in_threads = await results(chancy, provided_jobs.plain)
        on_the_loop = await results(chancy, provided_jobs.loop)
        assert [value for value, *_ in in_threads] == [value for value, *_ in on_the_loop] == [0, 1, 2]
        assert len({pool for _, pool, _ in in_threads} | {pool for *_, pool in on_the_loop}) == 1
        assert len({client for _, client, _ in on_the_loop}) == 1
        assert diary == ["pool up", "number up", "http up"]
    assert diary[3:] == ["http down", "pool down"]
    async with Worker(chancy):
        await results(chancy, provided_jobs.plain, 1)
    assert diary[5:] == ["pool up", "number up", "pool down"]


async def test_a_child_process_has_its_own(chancy, monkeypatch, tmp_path):
    """Once for each child, for plain and coroutine functions, and torn down when the child ends."""
    written = tmp_path / "diary"
    monkeypatch.setenv("TEST_DIARY", str(written))
    monkeypatch.setenv("PYTHONPATH", str(Path(provided_jobs.__file__).parent))
    # The child ends after these jobs, in its own time; at the worker's stop that has to be quick.
    options = {"maximum_jobs_per_worker": 6, "grace_s": WITHIN_S}
    await chancy.declare(Queue("children", executor=Chancy.Executor.Process, concurrency=1, executor_options=options))
    async with Worker(chancy):
        await results(chancy, provided_jobs.plain, queue="children")
        found = await results(chancy, provided_jobs.loop, queue="children")
        assert len({client for _, client, _ in found}) == 1
        await until(lambda: "pool down" in written.read_text(), WITHIN_S)
    lines = written.read_text().splitlines()
    assert [line.rpartition(" ")[0] for line in lines] == [
        "pool up",
        "number up",
        "http up",
        "http down",
        "pool down",
    ]
    assert len({line.rpartition(" ")[2] for line in lines}) == 1
    assert diary == []


async def test_a_loop_of_a_thread_has_what_is_awaited_for_its_run(chancy):
    """Of the threads' loops there is one for each run; what belongs to no loop stays."""
    await chancy.declare(Queue("threads", executor=Chancy.Executor.Threaded, concurrency=1))
    async with Worker(chancy):
        await results(chancy, provided_jobs.loop, 2, queue="threads")
        assert diary == ["http up", "pool up", "http down", "http up", "http down"]
    assert diary[5:] == ["pool down"]


@pytest.mark.parametrize("func", [provided_jobs.plain, provided_jobs.loop], ids=["thread", "loop"])
async def test_a_failed_set_up_costs_no_attempt(chancy, func):
    """The worker says what it was, hands the job back, and runs it when the set-up works."""
    failures.append(ConnectionError("no route to the pool"))
    with captured_events() as events:
        async with Worker(chancy):
            reference = await chancy.push(func.job.with_kwargs(value=1))
            done = await reference.wait(timeout=WITHIN_S)
    assert (done.state, done.attempts, done.errors) == ("succeeded", 1, [])
    (told,) = [event["problem"] for event in events if event["event"] == "function_left_alone"]
    assert told.endswith("could not be set up: ConnectionError: no route to the pool")


async def test_beside_a_context(chancy):
    """A function gets both, and one that is not a generator returns its resource."""
    async with Worker(chancy):
        reference = await chancy.push(provided_jobs.both)
        assert (await reference.wait(timeout=WITHIN_S)).result == ["provided_jobs.both", 8]


async def test_a_plain_function_cannot_have_what_is_awaited(chancy):
    """It is told so, with both ways out."""
    async with Worker(chancy):
        done = await (await chancy.push(Job(func="provided_jobs.wrong"))).wait(timeout=WITHIN_S)
    assert done.state == "failed"
    assert (
        "cannot be given provided_jobs.http, which is set up by a coroutine: make the function"
        in done.errors[-1].message
    )


async def test_one_that_fails_to_be_torn_down_keeps_nobody_else(chancy):
    """It is logged; the worker stops as ever, and tears down the others."""
    with captured_events() as events:
        async with Worker(chancy):
            reference = await chancy.push(provided_jobs.tearing)
            await reference.wait(timeout=WITHIN_S)
    assert diary == ["pool up", "pool down"]
    assert [event["resource"] for event in events if event["event"] == "resource_not_torn_down"] == [
        "provided_jobs.torn"
    ]


async def test_no_kwarg_takes_its_place(chancy):
    """Told at the push; so it is what nobody has to give."""
    with pytest.raises(InvalidJob, match="its parameter db receives a resource of the worker, and no kwarg may"):
        await chancy.push(provided_jobs.plain.job.with_kwargs(value=1, db=2))
    with pytest.raises(InvalidJob, match="it needs value"):
        await chancy.push(provided_jobs.plain)


def test_what_provides_nothing_is_refused():
    """At its definition."""
    with pytest.raises(InvalidJob, match="is to provide a resource and needs dsn: nobody gives it arguments"):

        @provides
        def pool(dsn):
            """Needs something."""

    for wrong in (5, functools.partial(print), Chancy):
        with pytest.raises(InvalidJob, match="give a function that yields the resource"):
            provides(wrong)


async def test_a_job_that_is_run_elsewhere_has_them_for_its_run(chancy):
    """`run_job`: set up before, torn down after."""
    reference = await chancy.push(provided_jobs.plain.job.with_kwargs(value=1))
    report = run_job(await reference.get(), RunSettings())
    assert report.error is None
    assert diary == ["pool up", "number up", "pool down"]


async def test_a_test_on_a_loop_gives_them_to_its_jobs(chancy):
    """Each run its own, and nothing is left behind."""
    async with AsyncJobs(chancy) as jobs:
        await chancy.push(provided_jobs.loop.job.with_kwargs(value=1))
        assert (await jobs.drain()).succeeded == 1
    assert diary == ["http up", "pool up", "http down", "pool down"]


def test_a_test_without_a_loop_does_too(new_chancy):
    """As above, for plain functions and for coroutine functions."""
    with new_chancy() as chancy, Jobs(chancy) as jobs:
        chancy.sync_push(provided_jobs.plain.job.with_kwargs(value=1))
        chancy.sync_push(provided_jobs.loop.job.with_kwargs(value=1))
        assert jobs.drain().succeeded == 2
    assert diary[:3] == ["pool up", "number up", "pool down"]
    assert diary[3:] == ["http up", "pool up", "http down", "pool down"]
