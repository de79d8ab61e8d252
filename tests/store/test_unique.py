"""Unique keys: at most one job with a key is alive; any number may be finished."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest
from support import WITHIN_S, until

from chancy import Backoff, Job, Queue, Reference, Worker

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
            await reference.wait(timeout=WITHIN_S)
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
    """Bulk pushes of the same new keys in any order, at once and again and again, all succeed and agree."""
    async with AsyncExitStack() as stack:
        pushers = [await stack.enter_async_context(new_chancy()) for _ in range(4)]
        for round_ in range(5):
            jobs = [KEYED.with_unique_key(f"k{round_}.{i}") for i in range(1000)]
            orders = [jobs, jobs[::-1], jobs[500:] + jobs[:500], jobs[::2] + jobs[1::2]]
            found = await asyncio.gather(
                *(pusher.push_many(order) for pusher, order in zip(pushers, orders, strict=True))
            )
            holders = [
                {job.unique_key: reference for job, reference in zip(order, references, strict=True)}
                for order, references in zip(orders, found, strict=True)
            ]
            assert holders == [holders[0]] * 4
            assert sum(reference.created for references in found for reference in references) == 1000


@pytest.mark.new_tables  # whose pages are counted
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
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.state for job in jobs} == {"succeeded"}
    assert 1 <= sum(reference.created for reference in references) <= len(references)


async def test_a_key_is_free_after_a_failure_and_a_cancellation(chancy):
    """A job that has failed, or was cancelled with its queue, no longer holds its key."""
    await chancy.declare(Queue("q"))
    failing = Job(func="jobs.fail", unique_key="k")
    async with Worker(chancy):
        assert (await (await chancy.push(failing)).wait(timeout=WITHIN_S)).state == "failed"
        assert (await chancy.push(KEYED)).created
    cancelled = await chancy.push("q", KEYED.with_unique_key("l"))
    await chancy.delete_queue("q")
    assert (await cancelled.get()).state == "cancelled"
    assert (await chancy.push(KEYED.with_unique_key("l"))).created


async def test_keys_are_of_the_schema_not_of_the_queue(chancy):
    """The same key in another queue is the same job."""
    await chancy.declare(Queue("q"))
    first = await chancy.push(KEYED)
    second = await chancy.push("q", KEYED)
    assert (second, second.created) == (first, False)
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


@pytest.mark.parametrize("commit", [True, False])
async def test_a_key_that_is_not_yet_committed(chancy, dsn, commit):
    """A push waits for a transaction that has taken its key: it finds that job after a commit, else makes its own."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        held = await chancy.push(KEYED, connection=connection)
        waiting = asyncio.create_task(chancy.push(KEYED))
        await until(partial(somebody_waits, chancy))
        assert not waiting.done()
        await (connection.commit() if commit else connection.rollback())
        async with asyncio.timeout(WITHIN_S):
            found = await waiting
    assert found.created is not commit
    assert (found == held) is commit
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


async def somebody_waits(chancy) -> bool:
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s",
            [f"%{chancy.settings.schema}%"],
        )
        return await cursor.fetchone() is not None


async def test_a_key_is_seen_by_its_own_transaction(chancy, dsn):
    """Two pushes of a key in one transaction are one job, singly and in bulk, and so is a third after it."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        first = await chancy.push(KEYED, connection=connection)
        second = await chancy.push(KEYED, connection=connection)
        many = await chancy.push_many([KEYED, KEYED], connection=connection)
    third = await chancy.push(KEYED)
    assert [reference.created for reference in (first, second, *many, third)] == [True, *[False] * 4]
    assert {first} == {second, *many, third}


async def test_fifty_pushers_in_every_form_make_one_job_a_key(new_chancy, chancy):
    """Fifty pushers, singly, in bulk and without asyncio, agree on one job for each of five keys."""
    keys = [f"k{n}" for n in range(5)]

    async def push(number: int, pusher) -> Sequence[Reference]:
        jobs = [KEYED.with_unique_key(key) for key in (keys if number % 2 else keys[::-1])]
        if number % 5 == 0:
            return await asyncio.to_thread(pusher.sync_push_many, jobs)
        if number % 5 < 3:
            return await pusher.push_many(jobs)
        return await asyncio.gather(*map(pusher.push, jobs))

    async with AsyncExitStack() as stack:
        pushers = [await stack.enter_async_context(new_chancy()) for _ in range(5)]
        stack.enter_context(pushers[0])
        found = await asyncio.gather(*(push(number, pushers[number % 5]) for number in range(50)))
    references = [reference for some in found for reference in some]
    assert len(references) == 250
    assert len(set(references)) == 5
    assert sum(reference.created for reference in references) == 5
    assert await chancy.count_jobs() == {"default": {"pending": 5}}


@pytest.mark.new_tables  # whose rows have been counted from the first
async def test_pushing_taken_keys_at_once_leaves_no_dead_rows(new_chancy, chancy, schema):
    """Fifty pushers of keys that are taken, singly and in bulk, insert not one row, dead or alive."""
    jobs = [KEYED.with_unique_key(f"k{n}") for n in range(100)]
    await chancy.push_many(jobs)
    async with AsyncExitStack() as stack:
        pushers = [await stack.enter_async_context(new_chancy()) for _ in range(5)]
        for _ in range(3):
            await asyncio.gather(
                *(pushers[n % 5].push_many(jobs if n % 2 else jobs[::-1]) for n in range(10)),
                *(pushers[n % 5].push(jobs[n]) for n in range(50)),
            )

    async with chancy.pool.connection() as connection:

        async def rows(text: str, *params: str) -> list[tuple[int, ...]]:
            return await (await connection.execute(text, params)).fetchall()

        # A backend's counts have arrived when it is gone.
        gone = (
            "SELECT 1 HAVING NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE %s)"
        )
        await until(partial(rows, gone, f"%{schema}%"))
        counts = "SELECT n_tup_ins, n_dead_tup FROM pg_stat_user_tables WHERE relid = %s::regclass AND n_tup_ins > 0"
        assert await until(partial(rows, counts, f"{schema}.jobs")) == [(100, 0)]
