"""`chancy failures`, and what `chancy workers --runs` shows."""

from __future__ import annotations

import asyncio

from commands import COLUMNS
from support import WITHIN_S, until

from chancy import Job, Worker


async def test_failures_are_put_together_by_their_cause(chancy, run):
    """The most frequent first, with a job to look at; those that a query finds; in a terminal and for programs."""
    async with Worker(chancy):
        references = await chancy.push_many(
            [Job(func="jobs.fail", kwargs={"message": f"no {number}"}) for number in range(3)]
            + [Job(func="jobs.fail_with", kwargs={"kind": "nobody knows"})]
        )
        for reference in references:
            await reference.wait(timeout=WITHIN_S)
    done = await asyncio.to_thread(run, "failures", "since:1h")
    heading, first, second = done.out.splitlines()
    assert heading.split() == ["jobs", "func", "error", "where", "last", "retrying", "newest", "job"]
    assert first.split()[:3] == ["3", "jobs.fail", "ValueError:"]
    assert "jobs.py:" in first
    assert second.split()[:2] == ["1", "jobs.fail_with"]
    told = (await asyncio.to_thread(run, "failures", "func:jobs.fail", "--json")).json
    assert [(group["func"], group["count"]) for group in told["groups"]] == [("jobs.fail", 3)]
    assert told["groups"][0]["newest"] in {str(reference) for reference in references}
    seen = await asyncio.to_thread(run.terminal, "failures")
    assert max(map(len, seen.out.splitlines())) <= COLUMNS


async def test_no_failure_says_where_there_is_none(chancy, run, schema):
    """The query, the schema and the database."""
    done = await asyncio.to_thread(run, "failures", "func:app.*")
    assert (done.code, done.out) == (0, "")
    assert "func:app.* finds no job that has failed, or waits to be tried again, in schema" in done.err


async def test_what_runs_is_shown_with_its_worker(chancy, run):
    """And since when."""
    async with Worker(chancy) as worker:
        assert "No job runs now." in (await asyncio.to_thread(run, "workers", "--runs")).out
        reference = await chancy.push(Job(func="jobs.sleep", kwargs={"seconds": 3600}))
        await until(lambda: worker.running)
        done = await asyncio.to_thread(run, "workers", "--runs")
        (line,) = [line.split() for line in done.out.splitlines() if str(reference) in line]
        assert line[:5] == [worker.name, str(reference), "jobs.sleep", "default", "1"]
        (told,) = (await asyncio.to_thread(run, "workers", "--json")).json["workers"]
        assert [run["id"] for run in told["runs"]] == [str(reference)]
        await chancy.cancel_job(reference)
        await reference.wait(timeout=WITHIN_S)
