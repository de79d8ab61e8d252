"""Jobs with bad manners, and limits: each is its own failure."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import hard_jobs
import jobs
import pytest
from support import WITHIN_S, captured_events, until

from chancy_core.values.backoff import Backoff
from chancy_core.values.job import Job, Limit
from chancy_core.values.queue import Executor as Executors
from chancy_core.values.queue import Queue
from chancy_core.worker import Worker, watchdog

pytestmark = pytest.mark.usefixtures("_fresh")


AT_ONCE = Backoff(base_s=0, jitter=0)


@pytest.mark.parametrize("kind", hard_jobs.KINDS)
@pytest.mark.parametrize("func", [hard_jobs.raises, hard_jobs.raises_sync])
async def test_whatever_a_job_raises_is_its_own_failure(chancy, kind, func):
    """A job may raise anything at all: it is tried again, fails with that error, and the worker works on."""
    async with Worker(chancy) as running:
        job = Job.from_func(func, kwargs={"kind": kind}, max_attempts=2, backoff=AT_ONCE)
        failed = await (await chancy.push(job)).wait(timeout=WITHIN_S)
        assert (await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)).worker == running.name
    # A coroutine cannot raise StopIteration: Python makes a RuntimeError of it.
    known_as = "RuntimeError" if kind == "StopIteration" and func is hard_jobs.raises else kind
    assert (failed.state, failed.attempts) == ("failed", 2)
    assert [(error.attempt, error.type) for error in failed.errors] == [(1, known_as), (2, known_as)]
    assert hard_jobs.raised == {kind: 2}


@pytest.mark.parametrize("kind", ["SystemExit", "CancelledError", "Strange"])
async def test_a_job_that_raised_no_exception_can_still_succeed(chancy, kind):
    """After an attempt that raised a BaseException, the next one may succeed, and the error is kept."""
    async with Worker(chancy):
        job = Job.from_func(hard_jobs.raises_once, kwargs={"kind": kind}, max_attempts=2, backoff=AT_ONCE)
        finished = await (await chancy.push(job)).wait(timeout=WITHIN_S)
    assert (finished.state, finished.result, finished.attempts) == ("succeeded", "done", 2)
    assert [error.type for error in finished.errors] == [kind]


async def test_a_job_that_blocks_the_loop_keeps_its_lease(chancy, new_child):
    """A job that blocks the loop for longer than the lease stays its worker's, although others rescue."""
    await chancy.declare(Queue("mine", tags=["mine"]))
    rescuer = new_child(worker={"lease_s": 1})
    await asyncio.to_thread(rescuer.ready)
    with captured_events() as events:
        async with Worker(chancy, tags=["mine"], lease_s=5) as running:
            job = Job.from_func(hard_jobs.blocks_loop, kwargs={"seconds": 6}, max_attempts=2)
            finished = await (await chancy.push("mine", job)).wait(timeout=WITHIN_S)
    assert (finished.state, finished.attempts, finished.claims) == ("succeeded", 1, 1)
    assert finished.worker == running.name
    assert not [e for e in events if e["event"] in ("lease_lost", "outcomes_stale", "jobs_stopped")]
    assert "jobs_rescued" not in rescuer.said()


async def test_who_blocks_the_loop_is_named(chancy):
    """A job that blocks the loop is named while it does, with how long and where, and the end of it is told."""

    def blocked() -> list[dict[str, Any]]:
        # A loop that a busy machine kept waiting may be told of as well, without a job.
        return [e for e in events if e["event"] == "loop_blocked" and "job" in e]

    def let_go() -> None:
        # The loop cannot: it stands still.
        while len(blocked()) < 2 and not hard_jobs.gate.wait(0.01):
            pass
        hard_jobs.gate.set()

    with captured_events() as events:
        async with Worker(chancy):
            threading.Thread(target=let_go, daemon=True).start()
            innocent = Job.from_func(jobs.sleep, kwargs={"seconds": 0.1})
            guilty = Job.from_func(hard_jobs.blocks_until_gate)
            pushed = await chancy.push_many("default", innocent, guilty)
            await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
            await until(lambda: any(e["event"] == "loop_unblocked" for e in events))
    assert {(e["job"], e["func"]) for e in blocked()} == {(str(pushed[1].identifier), "hard_jobs.blocks_until_gate")}
    first, second = blocked()[:2]
    assert 1 <= first["blocked_s"] < second["blocked_s"]
    assert max(e["blocked_s"] for e in events if e["event"] == "loop_unblocked") >= second["blocked_s"]
    assert "hard_jobs.py" in first["where"]
    assert first["where"].endswith("in blocks_until_gate")


async def test_a_loop_that_answers_blocks_nobody(chancy, monkeypatch):
    """Jobs that wait for longer than a loop may be blocked are never named."""
    # A busy machine may keep a loop waiting for a second.
    monkeypatch.setattr(watchdog, "BLOCKED_S", 3.0)
    with captured_events() as events:
        async with Worker(chancy):
            pushed = await chancy.push_many("default", [Job.from_func(jobs.sleep, kwargs={"seconds": 4})] * 3)
            await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert not [e for e in events if e["event"] in ("loop_blocked", "loop_unblocked")]


@pytest.mark.parametrize(
    ("func", "limit"),
    [
        (jobs.record, Limit(Limit.Type.MEMORY, 2**30)),
        (hard_jobs.raises_sync, Limit(Limit.Type.MEMORY, 2**30)),
        (hard_jobs.raises_sync, Limit(Limit.Type.TIME, 60)),
    ],
)
async def test_a_limit_that_cannot_be_enforced_is_refused(chancy, func, limit):
    """A job whose limit its executor cannot enforce fails at the first attempt, says why, and is never run."""
    kwargs = {} if func is jobs.record else {"kind": "Strange"}
    executor = Executors.Async if func is jobs.record else Executors.Threaded
    await chancy.declare(Queue("q", executor=executor))
    async with Worker(chancy):
        job = Job.from_func(func, kwargs=kwargs, limits=[limit], max_attempts=3)
        failed = await (await chancy.push("q", job)).wait(timeout=WITHIN_S)
    assert (failed.state, failed.attempts) == ("failed", 1)
    assert [error.type for error in failed.errors] == ["LimitNotEnforced"]
    assert str(limit.type_) in failed.errors[0].message
    assert jobs.ran == []
    assert hard_jobs.raised == {}


async def test_a_time_limit_ends_a_coroutine(chancy):
    """A coroutine that runs beyond its time limit is cancelled, each attempt, and a fast one is not."""
    limits = [Limit(Limit.Type.TIME, 0.1)]
    async with Worker(chancy):
        slow = Job.from_func(jobs.sleep, limits=limits, max_attempts=2, backoff=AT_ONCE)
        failed = await (await chancy.push(slow)).wait(timeout=WITHIN_S)
        fast = Job.from_func(jobs.sleep, kwargs={"seconds": 0}, limits=[Limit(Limit.Type.TIME, WITHIN_S)])
        assert (await (await chancy.push(fast)).wait(timeout=WITHIN_S)).result == "slept"
    assert (failed.state, failed.attempts) == ("failed", 2)
    assert [error.type for error in failed.errors] == ["TimeLimitExceeded"] * 2
    assert "0.1 s" in failed.errors[0].message
