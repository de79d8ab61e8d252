"""`chancy worker --until-idle`: runs what there is, and ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chancy import Job, Queue
from chancy_core.values.queuedjob import State


def later(job: Job, seconds: float) -> Job:
    return job.with_scheduled_at(datetime.now(UTC) + timedelta(seconds=seconds))


async def states(chancy, references):
    return [job.state for job in await chancy.get_jobs(references)]


async def test_it_runs_what_there_is_and_what_that_pushes_and_ends(chancy, run, tmp_path):
    """A job that pushes another, which pushes another; one that fails and is tried again; then nothing is left."""
    noted = tmp_path / "noted"
    chain = Job(func="cli_jobs.two_more", kwargs={"path": str(noted), "left": 2})
    references = await chancy.push_many([chain, Job(func="jobs.noop"), Job(func="jobs.fail", max_attempts=1)])
    done = await asyncio.to_thread(run, "worker", "--until-idle")
    assert done.code == 0, done.err
    assert noted.read_text().split() == ["left", "2", "left", "1", "left", "0"]
    assert await states(chancy, references) == [State.SUCCEEDED, State.SUCCEEDED, State.FAILED]
    assert '"nothing_left_to_do"' in done.err


async def test_what_is_due_soon_is_waited_for(chancy, run, query):
    """With --due-within; what is due later is left."""
    soon, far = await chancy.push_many([later(Job(func="jobs.noop"), 3000), later(Job(func="jobs.noop"), 9000)])
    assert (await asyncio.to_thread(run, "worker", "--until-idle")).code == 0
    assert await states(chancy, [soon, far]) == [State.SCHEDULED, State.SCHEDULED]
    query("UPDATE {s}.jobs SET scheduled_at = now() + interval '3 s' WHERE id = %s", soon.identifier)
    assert (await asyncio.to_thread(run, "worker", "--until-idle", "--due-within", "600")).code == 0
    assert await states(chancy, [soon, far]) == [State.SUCCEEDED, State.SCHEDULED]


async def test_jobs_that_it_cannot_run_do_not_keep_it_and_are_told(chancy, run):
    """A container of CI with a broken import ended after a day, or with 0: it ends with 10, and names the function."""
    broken, fine = await chancy.push_many([Job(func="nowhere.f"), Job(func="jobs.noop")])
    done = await asyncio.to_thread(run, "worker", "--until-idle")
    assert done.code == 10, done.err
    assert '"jobs_left"' in done.err
    assert "nowhere.f does not import" in done.words
    assert await states(chancy, [broken, fine]) == [State.PENDING, State.SUCCEEDED]


async def test_a_paused_queue_and_one_that_it_does_not_serve_are_not_waited_for(chancy, run):
    """There is nothing that it could do about them."""
    await chancy.declare(Queue("gpu", tags=["gpu"]))
    await chancy.declare(Queue("still"))
    await chancy.pause_queue("still")
    references = await chancy.push_many([Job(func="jobs.noop", queue=name) for name in ("gpu", "still")])
    assert (await asyncio.to_thread(run, "worker", "--until-idle")).code == 0
    assert await states(chancy, references) == [State.PENDING] * 2


async def test_several_processes_end_when_all_is_done(chancy, run):
    """None of them is started again, and the code is the highest of theirs."""
    references = await chancy.push_many([Job(func="jobs.noop") for _ in range(50)])
    done = await asyncio.to_thread(run, "worker", "--until-idle", "--processes", "2")
    assert done.code == 0, done.err
    assert set(await states(chancy, references)) == {State.SUCCEEDED}
    assert done.err.count('"process_started"') == 2


@pytest.mark.parametrize("options", [("--due-within", "5"), ("--watch", "--until-idle"), ("--processes", "0")])
def test_options_that_make_no_sense_are_refused(run, options):
    """Before anything is started."""
    assert run("worker", *options).code == 2


def test_the_codes_of_a_worker_are_in_its_help(run):
    """Where whoever writes the container looks."""
    words = run("worker", "--help").words
    for part in ("3 the grace time was over", "10 with --until-idle: all that is left are jobs that it cannot run"):
        assert part in words
