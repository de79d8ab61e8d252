"""Short jobs are claimed ahead of their slots; whatever turns out not to be short is not held by it."""

from __future__ import annotations

import asyncio

import pytest
from support import until

from chancy import Chancy, Job, Queue, State, Worker
from chancy_core.worker import lane, pace

SHORT, LONG = 600, 300
SLOTS = 10


@pytest.fixture
async def mixed(chancy: Chancy, monkeypatch: pytest.MonkeyPatch):
    """Short jobs, and long ones behind them: some of the long ones are claimed before it shows that they are long."""
    # However slow the machine is just now, its pace counts as fast.
    monkeypatch.setattr(pace, "AHEAD_S", 5.0)
    await chancy.declare(Queue("mixed", concurrency=SLOTS))
    await chancy.push_many("mixed", (Job(func="jobs.noop") for _ in range(SHORT)))
    return await chancy.push_many("mixed", (Job(func="asyncio.sleep", kwargs={"delay": 60}) for _ in range(LONG)))


async def states(chancy: Chancy, references) -> dict[State, int]:
    found = [job.state for job in await chancy.get_jobs(references)]
    return {state: found.count(state) for state in set(found)}


async def claimed_ahead(chancy: Chancy, references) -> bool:
    return (await states(chancy, references)).get(State.RUNNING, 0) > SLOTS


async def test_jobs_that_waited_too_long_are_handed_back(chancy, mixed):
    async def only_the_slots() -> bool:
        return await states(chancy, mixed) == {State.RUNNING: SLOTS, State.PENDING: LONG - SLOTS}

    async with Worker(chancy, grace_s=0):
        await until(lambda: claimed_ahead(chancy, mixed))
        await until(only_the_slots)
        handed_back = [job for job in await chancy.get_jobs(mixed) if job.state is State.PENDING and job.claims]
        assert handed_back
        assert {(job.attempts, job.note) for job in handed_back} == {(0, lane.WAITED)}


async def test_a_stop_hands_back_what_waits_for_a_slot(chancy, mixed):
    async with Worker(chancy, grace_s=0):
        await until(lambda: claimed_ahead(chancy, mixed))
    jobs = await chancy.get_jobs(mixed)
    assert {(job.state, job.attempts) for job in jobs} == {(State.PENDING, 0)}


async def test_what_waits_for_a_slot_is_known_to_the_worker(chancy, mixed):
    async with Worker(chancy, grace_s=0) as worker:
        await until(lambda: claimed_ahead(chancy, mixed))
        running = {job.id for job in await chancy.get_jobs(mixed) if job.state is State.RUNNING}
        assert running <= {id_ for id_, _ in worker._parts.known_runs()}


def test_only_a_fast_pace_of_short_jobs_allows_to_claim_ahead(monkeypatch):
    """What is claimed ahead follows the slower one of the two last spans, and stays none while jobs are not short."""
    now = 0.0
    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    lane_pace = pace.Pace()
    most = 99 * pace.AHEAD_PER_SLOT
    short, long = 0.0, pace.SHORT_S * 1.5
    spans = (
        (0, short, 0),
        (200, short, 0),
        (200, short, 100),
        (100_000, short, 100),
        (100_000, short, most),
        (100_000, long, 0),
        (100_000, short, most),
        (0, short, 0),
        (100_000, short, 0),
    )
    for ended, run_s, wanted in spans:
        for _ in range(ended):
            lane_pace.ended(run_s)
        now += pace.AHEAD_S
        assert lane_pace.ahead(100) == wanted
        assert lane_pace.ahead(1) == 0


async def test_long_jobs_are_not_claimed_ahead(chancy):
    """Not even when they all end together, which looks like a fast pace for a moment."""
    await chancy.declare(Queue("long", concurrency=SLOTS))
    references = await chancy.push_many("long", (Job(func="asyncio.sleep", kwargs={"delay": 0.05}) for _ in range(200)))
    async with Worker(chancy) as worker:
        while (await states(chancy, references)).get(State.SUCCEEDED, 0) < len(references):
            assert not worker._parts.lanes.lanes["long"]._waiting
            await asyncio.sleep(0.005)
