"""`chancy why`: each reason for which a job does not run, made for real."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from chancy import Backoff, Job, Queue


@pytest.fixture
def why(cli):
    """Asks why, in both forms, and returns the ids of the reasons, and what people read."""

    def ask(*what):
        document = json.loads(cli("why", *map(str, what), "--json").out)
        # Asked after the other: what has become so meanwhile is in it.
        said = cli("why", *map(str, what))
        assert said.code == 0, said
        return [reason["id"] for reason in document["reasons"]], said.out

    return ask


async def test_its_queue_is_paused(chancy, why):
    """Until when, and the command."""
    await chancy.pause_queue("default", resume_at=datetime.now(UTC) + timedelta(hours=1))
    reference = await chancy.push(Job(func="shop_jobs.ok"))
    ids, told = why(reference)
    assert ids == ["queue-paused"]
    assert "is paused until 20" in told
    assert "→ chancy queue resume default" in told


async def test_it_is_not_due_yet(chancy, why, worker):
    """When it is."""
    await worker()
    ids, told = why(await chancy.push(Job(func="shop_jobs.ok", scheduled_at=datetime.now(UTC) + timedelta(minutes=90))))
    assert ids == ["due"]
    assert "due in 90 min, at" in told or "due in 89 min, at" in told


async def test_it_waits_for_its_next_attempt(chancy, why, worker, until):
    """Which of how many failed, with what, and when the next is."""
    await worker()
    reference = await chancy.push(Job(func="shop_jobs.fails", max_attempts=9, backoff=Backoff.fixed(3600)))

    async def retrying():
        return (await chancy.get_job(reference)).state == "retrying"

    await until(retrying)
    ids, told = why(reference)
    assert ids == ["retry-due"]
    assert "Attempt 1 of 9 failed" in told
    assert "TimeoutError: the mail server did not answer" in told


async def test_nobody_serves_its_queue(chancy, why, worker):
    """No worker at all; then one whose tags do not match."""
    await chancy.declare(Queue("render", tags=["gpu"]))
    reference = await chancy.push(Job(func="shop_jobs.ok", queue="render"))
    ids, told = why(reference)
    assert ids == ["queue-unserved"]
    assert "no worker is alive" in told
    await worker("--tag", "cpu")
    ids, told = why("queue", "render")
    assert ids == ["queue-unserved"]
    assert "it asks for gpu" in told
    assert "cpu" in told


async def test_others_are_ahead_of_it(chancy, why, worker, until):
    """How many, and that all slots are taken, by which job."""
    await chancy.declare(Queue("default", concurrency=1), upsert=True)
    await worker()
    first = await chancy.push(Job(func="shop_jobs.nap"))

    async def runs():
        return (await chancy.get_job(first)).state == "running"

    await until(runs)
    references = await chancy.push_many([Job(func="shop_jobs.nap", priority=3)] * 4)
    await chancy.push(Job(func="shop_jobs.nap", priority=1))
    ids, told = why(references[2])
    # The worker may have claimed one ahead.
    assert ids == ["slots-full", "ahead"]
    assert str(first) in told
    assert "at priority 3 or more urgent" in told
    assert why(first)[0] == ["running"]
    assert why("queue", "default")[0][0] == "slots-full"


async def test_a_limit_across_workers_is_full(chancy, why, worker, until):
    """By which jobs."""
    await chancy.declare(Queue("calls", global_concurrency=1))
    await worker()
    first = await chancy.push(Job(func="shop_jobs.nap", queue="calls"))

    async def runs():
        return (await chancy.get_job(first)).state == "running"

    await until(runs)
    ids, told = why(await chancy.push(Job(func="shop_jobs.nap", queue="calls")))
    assert ids[0] == "limit-full"
    assert f"the longest of them {first}" in told


async def test_no_worker_can_run_its_function(chancy, why, worker, until):
    """With what it says."""
    await worker()
    reference = await chancy.push(Job(func="shop_jobs.nothing_like_it"))
    _, told = await until(lambda: (found := why(reference))[0][:1] == ["function-not-runnable"] and found)
    assert "shop_jobs has no 'nothing_like_it'" in told


async def test_it_has_ended(chancy, why, worker):
    """How, when, with what; and that another job holds its key, so that it cannot come back."""
    one = await worker()
    failed = await chancy.push(Job(func="shop_jobs.fails", unique_key="nightly"))
    done = await chancy.push(Job(func="shop_jobs.ok"))
    for reference in (failed, done):
        await reference.wait(timeout=120)
    one.end()
    holder = await chancy.push(Job(func="shop_jobs.ok", unique_key="nightly"))
    ids, told = why(failed)
    assert ids == ["key-held", "finished", "failed"]
    assert str(holder) in told
    assert why(done)[0] == ["finished"]


async def test_its_worker_was_lost(chancy, why, worker, until):
    """And nobody is there to give it back."""
    one = await worker()
    reference = await chancy.push(Job(func="shop_jobs.nap"))

    async def runs():
        return (await chancy.get_job(reference)).state == "running"

    await until(runs)
    one.end()
    _, told = await until(lambda: (found := why(reference))[0] == ["worker-lost"] and found)
    assert "no worker is alive to give it back" in told


async def test_what_does_not_exist_is_told(chancy, cli):
    """A job that nobody has stored, an id that is none, a queue that is spelled wrongly, a word too many."""
    cases = {
        ("00000000-0000-7000-8000-000000000000",): "There is no job 00000000",
        ("nonsense",): "nonsense",
        ("queue", "defualt"): "Did you mean 'default'?",
        ("a", "b", "c"): "write chancy why JOB_ID, or chancy why queue NAME",
    }
    for what, told in cases.items():
        said = cli("why", *what)
        assert said.code != 0
        assert told in said.err, said
