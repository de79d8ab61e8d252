"""Unique keys that are taken: in large pushes, by many pushers at once, beside claims, locks and lost answers."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack

import psycopg
import pytest
from support import WITHIN_S, until

from chancy import Job, Reference, Worker
from chancy.errors import UniqueKeyTaken
from chancy_core.store import run_sync
from chancy_core.store.jobrows import job_row
from chancy_core.store.pushes import insert_again, insert_jobs

KEYED = Job(func="jobs.echo", unique_key="k")
REPLACE = KEYED.with_on_conflict("replace")


async def in_state(reference: Reference, state: str) -> bool:
    return (await reference.get()).state == state


async def test_a_replacement_belongs_to_the_callers_transaction(chancy, dsn):
    """It is undone by a rollback; until the commit nobody starts the job, and then with what is new."""
    first = await chancy.push(KEYED.with_kwargs(value=1))
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await chancy.push(REPLACE.with_kwargs(value=2), connection=connection)
        await connection.rollback()
        assert (await first.get()).kwargs == {"value": 1}
        await chancy.push(REPLACE.with_kwargs(value=3), connection=connection)
        async with Worker(chancy):
            await (await chancy.push(Job("jobs.echo"))).wait(timeout=WITHIN_S)
            assert await in_state(first, "pending")
            await connection.commit()
            assert (await first.wait(timeout=WITHIN_S)).result == 3


async def test_of_several_in_one_bulk_the_last_one_counts(chancy):
    """A bulk push that replaces, and has keys several times, new ones and taken ones, leaves each with the last."""
    await chancy.push_many(KEYED.with_unique_key(f"k{n}") for n in range(0, 700, 2))
    jobs = [KEYED.with_unique_key(f"k{n % 700}").with_kwargs(value=n) for n in range(7000)]
    references = await chancy.push_many(jobs, on_conflict="replace")
    assert sum(reference.created for reference in references) == 350
    assert sum(reference.replaced for reference in references) == 7000 - 350
    found = await chancy.get_jobs(list(set(references)))
    assert sorted(job.kwargs["value"] for job in found) == list(range(6300, 7000))


@pytest.mark.parametrize("on_conflict", ["existing", "replace"])
async def test_a_large_bulk_with_half_of_its_keys_taken(chancy, on_conflict):
    """Every reference is that of a job with its key, as many are new as were free, and none is lost."""
    many = 20_000
    before = await chancy.push_many(KEYED.with_unique_key(f"k{n}") for n in range(0, many, 2))
    jobs = (KEYED.with_unique_key(f"k{n}").with_kwargs(value=n) for n in range(many))
    references = await chancy.push_many(jobs, on_conflict=on_conflict)
    assert [reference.created for reference in references] == [False, True] * (many // 2)
    assert list(references[::2]) == list(before)
    assert await chancy.count_jobs() == {"default": {"pending": many}}
    for n in (0, 1, 9_998, 19_999):
        found = await references[n].get()
        assert found.unique_key == f"k{n}"
        assert found.kwargs == ({"value": n} if n % 2 or on_conflict == "replace" else {})


@pytest.mark.parametrize("on_conflict", ["existing", "replace"])
async def test_large_bulks_in_opposite_orders_do_not_deadlock(new_chancy, chancy, on_conflict):
    """Keys are taken in one order over the whole of a bulk push, however long it is."""
    jobs = [KEYED.with_unique_key(f"k{n}").with_kwargs(value=n) for n in range(6_000)]
    await chancy.push_many(jobs[::3])
    async with AsyncExitStack() as stack:
        pushers = [await stack.enter_async_context(new_chancy()) for _ in range(3)]
        orders = [jobs, jobs[::-1], jobs[3000:] + jobs[:3000]]
        found = await asyncio.gather(
            *(
                pusher.push_many(iter(order), on_conflict=on_conflict)
                for pusher, order in zip(pushers, orders, strict=True)
            )
        )
    assert sum(reference.created for references in found for reference in references) == 4_000
    assert {str(reference) for references in found for reference in references} == {
        str(reference) for reference in found[0]
    }


async def test_fifty_pushers_of_every_kind_leave_one_job_a_key(new_chancy, chancy):
    """Whatever becomes of a taken key: no deadlock, and each reference is that of the one job with the key."""
    keys = [f"k{n}" for n in range(5)]
    words = ("existing", "raise", "replace")

    async def push(number: int, pusher) -> list[Reference | BaseException]:
        word = words[number % 3]
        jobs = [KEYED.with_unique_key(key, on_conflict=word).with_kwargs(value=number) for key in keys]
        jobs = jobs if number % 2 else jobs[::-1]
        if number % 5 == 0 and word != "raise":
            return list(await asyncio.to_thread(pusher.sync_push_many, jobs))
        if number % 5 < 3 and word != "raise":
            return list(await pusher.push_many(jobs))
        return await asyncio.gather(*map(pusher.push, jobs), return_exceptions=True)

    async with AsyncExitStack() as stack:
        pushers = [await stack.enter_async_context(new_chancy()) for _ in range(5)]
        stack.enter_context(pushers[0])
        found = await asyncio.gather(*(push(number, pushers[number % 5]) for number in range(50)))
    answers = [answer for some in found for answer in some]
    references = [answer for answer in answers if isinstance(answer, Reference)]
    refused = [answer for answer in answers if not isinstance(answer, Reference)]
    assert {type(error) for error in refused} <= {UniqueKeyTaken}
    assert len({error.job_id for error in refused} | {reference.identifier for reference in references}) == 5
    assert sum(reference.created for reference in references) == 5
    assert await chancy.count_jobs() == {"default": {"pending": 5}}
    jobs = await chancy.get_jobs(list(set(references)))
    assert {job.unique_key for job in jobs} == set(keys)


async def test_pushes_that_race_with_claims_replace_or_are_told(chancy):
    """While jobs with the key are started all the time, no replacement is lost: it is stored, or it is refused."""
    stored = {}
    async with Worker(chancy):
        for number in range(60):
            answers = await asyncio.gather(
                *(chancy.push(REPLACE.with_kwargs(value=[number, n])) for n in range(5)), return_exceptions=True
            )
            assert {type(answer) for answer in answers} <= {Reference, UniqueKeyTaken}
            for n, answer in enumerate(answers):
                if isinstance(answer, Reference):
                    stored.setdefault(answer, []).append([number, n])
        jobs = await chancy.wait_for_jobs(list(stored), timeout=WITHIN_S)
    # It ran with one of those that were stored as this job; which of several at once comes last, nobody says.
    for job, pushed in zip(jobs, stored.values(), strict=True):
        assert job.result in [one for one in pushed if one[0] == pushed[-1][0]]


async def test_a_push_whose_answer_was_lost_replaces_once_more(chancy, dsn):
    """Repeated after a lost answer, a push that replaces, or may be refused, does and says the same."""
    held = await chancy.push(KEYED.with_kwargs(value=0))
    with psycopg.connect(dsn, autocommit=True) as connection:
        for word in ("replace", "raise", "existing"):
            row = job_row(KEYED.with_on_conflict(word), "default", str(uuid.uuid4()), 1000)
            first = run_sync(connection, insert_jobs(chancy.store, [row], ()))
            again = run_sync(connection, insert_again(chancy.store, [row], ()))
            assert first == again
            assert first[row.id].id == held.identifier
            assert first[row.id].replaced is (word == "replace")
        for word in ("replace", "raise"):
            row = job_row(KEYED.with_unique_key(word, on_conflict=word), "default", str(uuid.uuid4()), 1000)
            assert run_sync(connection, insert_jobs(chancy.store, [row], ())) == {}
            assert run_sync(connection, insert_again(chancy.store, [row], ())) == {}


async def test_a_job_that_somebody_has_locked_is_replaced_when_it_is_free(chancy, query, dsn, schema):
    """A push waits for whoever has locked the job that it replaces, and holds nobody else up."""
    first = await chancy.push(KEYED)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(f"SELECT id FROM {schema}.jobs FOR UPDATE")
        blocked = [asyncio.create_task(chancy.push(REPLACE.with_kwargs(value=n))) for n in range(3)]
        async with asyncio.timeout(WITHIN_S):
            others = [chancy.push(REPLACE.with_unique_key(f"k{n}")) for n in range(20)]
            assert all(reference.created for reference in await asyncio.gather(*others))
        await until(chancy.connections.here.pusher._held.tasks)
        assert not any(push.done() for push in blocked)
        await connection.rollback()
        assert {reference.identifier for reference in await asyncio.gather(*blocked)} == {first.identifier}
    assert "value" in (await first.get()).kwargs
