"""`chancy push` with a time, a meta, a timeout, and for programs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chancy import Queue, Worker
from chancy_core.values.queuedjob import State


async def test_a_job_is_pushed_for_later_with_what_is_kept(chancy, run):
    """At a moment, or so long from now; its meta is there for whoever looks."""
    at = await asyncio.to_thread(
        run, "push", "jobs.noop", "--at", "2090-01-31T08:00+01:00", "--meta", '{"tenant": "acme"}'
    )
    before = datetime.now(UTC)
    later = await asyncio.to_thread(run, "push", "jobs.noop", "--in", "2h", "--priority", "-3", "--json")
    job = await chancy.get_job(at.out.strip())
    assert (job.scheduled_at, job.meta) == (datetime(2090, 1, 31, 7, tzinfo=UTC), {"tenant": "acme"})
    assert job.state is State.SCHEDULED
    assert later.json.keys() == {"id", "created", "replaced"}
    job = await chancy.get_job(later.json["id"])
    assert before + timedelta(hours=2) <= job.scheduled_at <= datetime.now(UTC) + timedelta(hours=2)
    assert job.priority == -3


async def test_the_end_is_one_document_with_json(chancy, run):
    """The job's record with it, if it was waited for; the codes are the same."""
    async with Worker(chancy):
        done = await asyncio.to_thread(run, "push", "jobs.fail", "--wait", "--json")
        assert (done.code, done.json["created"], done.json["job"]["state"]) == (7, True, "failed")
    await chancy.declare(Queue("still", tags=["nobody"]))
    first = await asyncio.to_thread(run, "push", "jobs.noop", "--queue", "still", "--unique-key", "once", "--json")
    options = ("--unique-key", "once", "--wait", "--timeout", "0.1", "--json")
    late = await asyncio.to_thread(run, "push", "jobs.noop", "--queue", "still", *options)
    assert (late.code, late.json["created"], late.json["id"]) == (9, False, first.json["id"])


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--at", "tomorrow"], 2, "'tomorrow' is not a time: write 2030-01-31T08:00+01:00."),
        (["--at", "2030-01-31T08:00"], 2, "has no offset, so nobody knows which hour it is"),
        (["--in", "soon"], 2, "give a whole number and a unit"),
        (["--in", "forever"], 2, "give a whole number and a unit"),
        (["--in", "1h", "--at", "2030-01-31T08:00Z"], 2, "--at and --in exclude each other."),
        (["--meta", "tenant=acme"], 1, "--meta is 'tenant=acme', which is not JSON"),
        (["--meta", "[1]"], 1, "meta"),
        (["--timeout", "3"], 2, "--timeout is given, but not --wait."),
    ],
)
async def test_what_cannot_be_pushed_is_told(chancy, run, query, options, code, told):
    """And nothing is pushed."""
    done = await asyncio.to_thread(run, "push", "jobs.noop", *options)
    assert (done.code, told in done.words) == (code, True), done.words
    assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]
