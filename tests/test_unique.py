"""Unique keys: at most one job with a key is alive; any number may be finished."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
from support import until

from chancy import Backoff, Job, Reference, Worker

KEYED = Job(func="jobs.echo", unique_key="k")


async def in_state(reference: Reference, state: str) -> bool:
    return (await reference.get()).state == state


async def test_a_second_push_returns_the_job_that_exists(chancy):
    """The second push of a key creates nothing and returns the first job's reference."""
    first, second = await chancy.push(KEYED), await chancy.push(KEYED.with_kwargs(value=2))
    assert first.created
    assert not second.created
    assert first == second
    assert hash(first) == hash(second)
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


async def test_a_key_is_free_again_when_its_job_has_finished(chancy):
    """Any number of finished jobs may share a key."""
    async with Worker(chancy):
        identifiers = set()
        for _ in range(3):
            reference = await chancy.push(KEYED)
            assert reference.created
            await reference.wait(timeout=20)
            identifiers.add(reference.identifier)
    assert len(identifiers) == 3


async def test_a_key_is_taken_in_every_living_state(chancy):
    """Scheduled, pending, running and retrying jobs all hold their key."""
    later = Job(func="jobs.noop", unique_key="l", scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    retrying = Job(func="jobs.fail", unique_key="r", max_attempts=2, backoff=Backoff(base_s=600))
    running = Job(func="jobs.sleep", unique_key="s")
    async with Worker(chancy, grace_s=0):
        held = [await chancy.push(job) for job in (later, retrying, running)]
        for reference, state in zip(held, ("scheduled", "retrying", "running"), strict=True):
            await until(partial(in_state, reference, state))
        again = [await chancy.push(job) for job in (later, retrying, running)]
        assert [reference.created for reference in again] == [False] * 3
        assert again == held


async def test_equal_keys_inside_one_bulk(chancy):
    """A bulk push with equal keys, also across its chunks, stores one job each and refers to it everywhere."""
    jobs = [KEYED.with_unique_key(f"k{i % 7}") for i in range(12_000)] + [Job(func="jobs.echo")] * 3
    references = await chancy.push_many("default", jobs)
    assert sum(reference.created for reference in references) == 7 + 3
    assert len({reference.identifier for reference in references}) == 7 + 3
    for i in (0, 6, 7, 5001, 11_999):
        assert (await references[i].get()).unique_key == f"k{i % 7}"


async def test_fifty_pushers_at_once_make_one_job(new_chancy, chancy):
    """Fifty concurrent pushers on several applications agree on one job."""
    async with AsyncExitStack() as stack:
        others = [await stack.enter_async_context(new_chancy()) for _ in range(5)]
        references = await asyncio.gather(*(others[i % 5].push(KEYED) for i in range(50)))
    assert sum(reference.created for reference in references) == 1
    assert len(set(references)) == 1
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


async def test_opposite_orders_do_not_deadlock(new_chancy):
    """Bulk pushes of the same keys in opposite orders, at once and again and again, all succeed."""
    jobs = [KEYED.with_unique_key(f"k{i}") for i in range(200)]
    async with new_chancy() as one, new_chancy() as other:
        for _ in range(5):
            first, second = await asyncio.gather(one.push_many(jobs), other.push_many(jobs[::-1]))
            assert list(first) == list(second)[::-1]


async def test_pushing_a_taken_key_leaves_no_dead_rows(chancy, dsn, schema):
    """A thousand pushes of a taken key write nothing into the table."""
    await chancy.push(KEYED)
    for _ in range(20):
        await asyncio.gather(*(chancy.push(KEYED) for _ in range(50)))
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute(f"SELECT pg_relation_size('{schema}.jobs')").fetchone() == (8192,)
        report = []
        connection.add_notice_handler(lambda notice: report.append(notice.message_primary))
        connection.execute(f"VACUUM (VERBOSE) {schema}.jobs")
    assert any("0 removed" in line or "found 0 removable" in line for line in report), report


async def test_a_push_that_races_with_a_finish_returns_a_job(chancy):
    """While jobs with the key finish all the time, every push either creates one or finds one."""
    async with Worker(chancy):
        references = []
        for _ in range(20):
            references += await asyncio.gather(*(chancy.push(KEYED) for _ in range(10)))
        jobs = await chancy.wait_for_jobs(references, timeout=30)
    assert {job.state for job in jobs} == {"succeeded"}
    assert 1 <= sum(reference.created for reference in references) <= len(references)
