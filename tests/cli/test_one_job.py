"""`chancy job ID`: what a job is, and what has happened to it, for people and for programs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from commands import COLUMNS
from support import WITHIN_S, until

from chancy import Backoff, Job, Worker

NOBODY = "01939f3c-7b1e-7c3a-8000-0123456789ab"


def in_order(text: str, *parts: str) -> bool:
    """Whether these stand in a text, one after the other."""
    at, text = 0, " ".join(text.split())
    for part in parts:
        part = " ".join(part.split())  # noqa: PLW2901
        at = text.find(part, at)
        if at < 0:
            raise AssertionError(f"{part!r} is not there, or not in its place: {text}")
    return True


async def test_each_attempt_is_told_with_its_error_and_its_worker(chancy, run):
    """Pushed, failed, failed again, ended: the first first; and the traceback that one looks for."""
    job = Job(func="jobs.fail", kwargs={"message": "no luck"}, max_attempts=2, unique_key="once", meta={"a": 1})
    async with Worker(chancy) as worker:
        reference = await chancy.push(job.with_backoff(Backoff.fixed(0.01)))
        await reference.wait(timeout=WITHIN_S)
        done = await asyncio.to_thread(run, "job", str(reference))
        told = (await asyncio.to_thread(run, "job", str(reference), "--json")).json
    assert done.code == 0
    assert in_order(done.out, "state       failed", "jobs.fail", '{"message":"no luck"}', "2 of 2", "once", '{"a":1}')
    assert in_order(
        done.out,
        "pushed",
        f"attempt 1 failed on {worker.name}: ValueError: no luck",
        f"claimed by {worker.name} for attempt 2",
        f"attempt 2 failed on {worker.name}: ValueError: no luck",
        "failed: its run took",
        "The traceback of the last error (--json has those of all):\nTraceback",
        "ValueError: no luck\n",
    )
    assert (told["state"], [error["attempt"] for error in told["errors"]]) == ("failed", [1, 2])


async def test_one_that_waits_says_what_for(chancy, run):
    """Nobody serves its queue; it is due tomorrow; it is to be cancelled if nobody starts it."""
    waiting = await chancy.push(Job(func="jobs.noop"))
    done = await asyncio.to_thread(run, "job", str(waiting))
    assert "It is pending: no worker that lives serves its queue 'default'." in done.out
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    job = Job(func="jobs.noop", scheduled_at=tomorrow, expires_at=tomorrow + timedelta(hours=1))
    done = await asyncio.to_thread(run, "job", str(await chancy.push(job)))
    assert in_order(done.out, "pushed", "is due: for the first time", "is cancelled if it has not been started by then")
    assert "It is scheduled until" in done.out


async def test_one_that_runs_says_where_and_for_how_long(chancy, run):
    """And how far it says that it is."""
    async with Worker(chancy) as worker:
        reference = await chancy.push(Job(func="jobs.sleep", kwargs={"seconds": 3600}))
        await until(lambda: worker.running)
        done = await asyncio.to_thread(run, "job", str(reference))
        assert f", on {worker.name}" in done.out
        assert f"It runs on worker {worker.name}." in done.out
        assert (await asyncio.to_thread(run, "job", str(reference), "--cancel", "--json")).json == {
            "id": str(reference),
            "cancellation": "stopping",
        }
        await reference.wait(timeout=WITHIN_S)
    done = await asyncio.to_thread(run, "job", str(reference))
    assert in_order(done.out, "state       cancelled", "pushed", "claimed by", "cancelled")


async def test_a_result_and_a_note_are_shown(chancy, run):
    """What it returned; in a terminal no line of ours is longer than that."""
    async with Worker(chancy):
        reference = await chancy.push(Job(func="jobs.echo", kwargs={"value": ["long " * 40]}))
        await reference.wait(timeout=WITHIN_S)
    done = await asyncio.to_thread(run.terminal, "job", str(reference))
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= COLUMNS
    assert "result" in done.out
    assert "succeeded: its run took" in done.out
    done = await asyncio.to_thread(run, "job", str(reference), "--retry", "--json")
    assert done.json == {"id": str(reference), "retried": True}


async def test_what_is_no_job_is_told(chancy, run):
    """No id; an id of nobody; options that make no sense."""
    assert "'019' is not the id of a job" in (await asyncio.to_thread(run, "job", "019")).words
    done = await asyncio.to_thread(run, "job", NOBODY)
    assert (done.code, f"There is no job {NOBODY} in schema" in done.words) == (1, True)
    assert (await asyncio.to_thread(run, "job", NOBODY, "--cancel", "--retry")).code == 2
