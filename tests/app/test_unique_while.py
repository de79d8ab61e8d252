"""Unique keys of which one job may wait while another runs: "do it again" is never lost."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import jobs
import psycopg
import pytest
from support import WITHIN_S, until

from chancy import Backoff, Job, Reference, Worker
from chancy.errors import UniqueKeyTaken

AGAIN = Job(func="jobs.noop", unique_key="k", unique_while="waiting")
SLOW = Job(func="jobs.sleep", unique_key="k", unique_while="waiting")


async def in_state(reference: Reference, state: str) -> bool:
    return (await reference.get()).state == state


async def test_one_may_wait_while_one_runs(chancy):
    """A push while the job runs is stored, the next one returns it, and both run."""
    async with Worker(chancy, grace_s=0):
        first = await chancy.push(SLOW)
        await until(partial(in_state, first, "running"))
        second = await chancy.push(AGAIN.with_scheduled_at(far_off()))
        third = await chancy.push(AGAIN)
        assert (first.created, second.created, third.created) == (True, True, False)
        assert second == third != first
        await first.cancel()
        assert (await chancy.push(AGAIN.with_unique_key("k", on_conflict="replace"))).replaced
        assert (await second.wait(timeout=WITHIN_S)).state == "succeeded"


def far_off() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def test_the_three_answers_to_a_key_of_which_one_waits(chancy):
    """The one that waits is returned, or named in the error, or replaced; singly and in bulk."""
    first = await chancy.push(AGAIN)
    assert await chancy.push(AGAIN) == first
    with pytest.raises(UniqueKeyTaken, match=rf"'k'.*{first}.*pending"):
        await chancy.push(AGAIN, on_conflict="raise")
    replaced = await chancy.push(AGAIN.with_kwargs(a=1), on_conflict="replace")
    assert (replaced, replaced.replaced) == (first, True)
    assert (await first.get()).kwargs == {"a": 1}
    many = await chancy.push_many([AGAIN, AGAIN.with_unique_key("l"), AGAIN.with_unique_key("l")])
    assert [reference.created for reference in many] == [False, True, False]
    assert await chancy.count_jobs() == {"default": {"pending": 2}}


async def test_keys_of_both_kinds_know_nothing_of_each_other(chancy):
    """A job that holds its key while it is alive, and one that holds the same while it waits, stand side by side."""
    live = AGAIN.with_unique_key("k", unique_while="live")
    first, second = await chancy.push(AGAIN), await chancy.push(live)
    assert first != second
    assert await chancy.push_many([AGAIN, live]) == [first, second]


async def test_a_retry_goes_on_although_another_one_waits(chancy):
    """A job that fails while another waits with its key waits beside it: neither is lost, no record is refused."""
    failing = Job(func="jobs.fail", unique_key="k", unique_while="waiting", max_attempts=3, backoff=Backoff.fixed(0.05))
    async with Worker(chancy):
        references = set()
        for _ in range(40):
            references.add(await chancy.push(failing))
            await asyncio.sleep(0.01)
        others = [await chancy.push(Job("jobs.echo", kwargs={"value": n})) for n in range(5)]
        found = await chancy.wait_for_jobs([*references, *others], timeout=WITHIN_S)
    assert [job.state for job in found] == ["failed"] * len(references) + ["succeeded"] * 5
    assert {job.attempts for job in found[: len(references)]} == {3}


async def test_a_push_finds_the_one_that_waits_for_its_next_attempt(chancy):
    """A retrying job waits, too: a push while it does returns it, or replaces it."""
    failing = Job(func="jobs.fail", unique_key="k", unique_while="waiting", max_attempts=2, backoff=Backoff.fixed(600))
    async with Worker(chancy):
        first = await chancy.push(failing)
        await until(partial(in_state, first, "retrying"))
        assert await chancy.push(AGAIN) == first
        assert (await chancy.push_many([AGAIN]))[0] == first
        assert (await chancy.push(AGAIN, on_conflict="replace")).replaced
        assert (await first.wait(timeout=WITHIN_S)).state == "succeeded"


async def test_what_is_handed_back_waits_beside_the_one_that_came_meanwhile(chancy):
    """A worker that stops hands its run back although another job waits with the key; both run afterwards."""
    async with Worker(chancy, grace_s=0):
        first = await chancy.push(SLOW.with_kwargs(seconds=0.5))
        await until(partial(in_state, first, "running"))
        second = await chancy.push(AGAIN)
        assert second.created
    assert (await first.get()).state in ("pending", "retrying")
    async with Worker(chancy):
        found = await chancy.wait_for_jobs([first, second], timeout=WITHIN_S)
    assert [job.state for job in found] == ["succeeded"] * 2
    assert [job.unique_key for job in found] == ["k", "k"]


async def test_what_is_rescued_waits_beside_the_one_that_came_meanwhile(chancy, query):
    """A lost worker's run comes back although another job waits with the key."""
    first = await chancy.push(AGAIN.with_max_attempts(2))
    query("UPDATE {s}.jobs SET state = 'running', worker = 'lost', attempts = 1, claims = 1, started_at = now()")
    second = await chancy.push(AGAIN)
    assert second.created
    async with Worker(chancy, lease_s=1):
        found = await chancy.wait_for_jobs([first, second], timeout=WITHIN_S)
    assert [(job.state, job.attempts) for job in found] == [("succeeded", 2), ("succeeded", 1)]


async def test_a_job_that_snoozes_comes_back_beside_the_one_that_came_meanwhile(chancy):
    """A snooze ends although another job waits with the key."""
    jobs.gate.clear()
    async with Worker(chancy):
        first = await chancy.push(Job("jobs.snooze_once", unique_key="k", unique_while="waiting"))
        await until(partial(in_state, first, "running"))
        second = await chancy.push(AGAIN.with_scheduled_at(far_off()))
        assert second.created
        jobs.gate.set()
        assert (await first.wait(timeout=WITHIN_S)).state == "succeeded"
        assert await in_state(second, "scheduled")


async def test_what_has_finished_keeps_its_key_and_comes_back_with_it(chancy):
    """The history has the key; a job that is brought back waits with it, unless another one does."""
    async with Worker(chancy):
        first, second = [await chancy.push(AGAIN) for _ in range(1)], []
        await first[0].wait(timeout=WITHIN_S)
        second.append(await chancy.push(AGAIN))
        found = await second[0].wait(timeout=WITHIN_S)
    assert (found.unique_key, found.unique_while) == ("k", "waiting")
    both = [*first, *second]
    assert len(await chancy.retry_jobs(both)) == 1
    assert await chancy.retry_jobs(both) == []
    (waiting,) = [reference for reference in both if (await reference.get()).state == "pending"]
    assert ((await waiting.get()).unique_key, await chancy.push(AGAIN)) == ("k", waiting)
    await waiting.cancel()
    assert ((await waiting.get()).state, (await waiting.get()).unique_key) == ("cancelled", "k")
    third = await chancy.push(AGAIN)
    assert third.created
    assert await chancy.retry_jobs(both) == []


async def test_one_that_was_found_is_not_started_before_the_commit(chancy, dsn):
    """A job that a transaction's push has found runs after its commit, so that it sees what the transaction wrote."""
    found = await chancy.push(AGAIN)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        assert await chancy.push(AGAIN, connection=connection) == found
        assert (await chancy.push_many([AGAIN], connection=connection))[0] == found
        async with Worker(chancy):
            await (await chancy.push(Job("jobs.echo"))).wait(timeout=WITHIN_S)
            assert await in_state(found, "pending")
            await connection.commit()
            assert (await found.wait(timeout=WITHIN_S)).state == "succeeded"


async def test_fifty_pushers_and_workers_lose_nothing(new_chancy, chancy, query):
    """Every push is answered with a job that starts after it; at no time do two jobs of a key wait that never ran."""
    keys = ["a", "b"]
    seen: list[int] = []
    pushed: list[tuple[float, Reference]] = []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            rows = await asyncio.to_thread(
                query, "SELECT count(*) FROM {s}.jobs WHERE state <> 'running' AND claims = 0 GROUP BY waiting_key"
            )
            seen.extend(count for (count,) in rows)

    async def push(number: int, pusher) -> None:
        for n in range(6):
            ((now,),) = await asyncio.to_thread(query, "SELECT extract(epoch FROM clock_timestamp())::float8")
            job = AGAIN.with_unique_key(
                keys[(number + n) % 2], on_conflict="replace" if number % 7 == 0 else "existing"
            )
            if number % 3:
                pushed.append((now, await pusher.push(job)))
            else:
                pushed.extend((now, one) for one in await pusher.push_many([job, job]))

    async with AsyncExitStack() as stack:
        pushers = [await stack.enter_async_context(new_chancy()) for _ in range(3)]
        for pusher in pushers[:2]:
            await stack.enter_async_context(Worker(pusher))
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(push(number, pushers[number % 3]) for number in range(50)))
        references = list({reference for _, reference in pushed})
        found = {job.id: job for job in await chancy.wait_for_jobs(references, timeout=WITHIN_S)}
        done.set()
        await watching
    assert {job.state for job in found.values()} == {"succeeded"}
    # It begins after the push began: whoever pushes has committed what the job is to see.
    assert all(found[reference.identifier].started_at.timestamp() >= now for now, reference in pushed)
    assert set(seen) <= {1}
    assert sum(reference.created for _, reference in pushed) == len(references)


async def test_one_is_found_by_its_key_in_every_state(chancy):
    """A filter finds a job by a key that is held while it waits, among live ones and in the history."""
    reference = await chancy.push(AGAIN)
    for text in ("key:k state:pending", "key:k", "key:k*"):
        assert [job.id for job in (await chancy.find_jobs(text)).jobs] == [reference.identifier], text
    async with Worker(chancy):
        await reference.wait(timeout=WITHIN_S)
    assert [job.id for job in (await chancy.find_jobs("key:k state:succeeded")).jobs] == [reference.identifier]
    assert [job.id for job in (await chancy.find_jobs("-key:k")).jobs] == []
