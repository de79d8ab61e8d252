"""Bulk pushes: all or none, read as they are sent, and in few round trips."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from pushed import ECHO, count
from support import WITHIN_S

from chancy import Job
from chancy_core.errors import InvalidJob, UnknownQueue
from chancy_core.store import flow


@pytest.mark.parametrize("size", [0, 1, 3, 12_001])
async def test_push_many_takes_any_iterable_and_keeps_its_order(chancy, size):
    """Generators, lists, async generators and single jobs all come back as references in their order."""

    def jobs():
        return (ECHO.with_kwargs(value=i) for i in range(size))

    async def later() -> AsyncIterator[Job]:
        for one in jobs():
            yield one

    for given in (jobs(), list(jobs()), later()):
        references = await chancy.push_many("default", given)
        assert len(references) == size
        ends = [references[0], references[-1]] if size else []
        values = [(await reference.get()).kwargs["value"] for reference in ends]
        assert values == ([0, size - 1] if size else [])
    if 0 < size < 10:
        assert len(await chancy.push_many("default", *jobs())) == size
        assert len(await chancy.push_many(*jobs())) == size


async def test_push_many_is_all_or_none(chancy):
    """A bad job far into a bulk push leaves nothing behind, and the error says which one it is."""

    def jobs():
        for i in range(7000):
            yield ECHO
            if i == 6000:
                yield ECHO.with_kwargs(value={1, 2})

    with pytest.raises(InvalidJob, match=r"Job 6001 of push_many: kwargs\['value'\] is a set"):
        await chancy.push_many("default", jobs())
    assert await count(chancy) == 0


async def test_push_many_reads_as_it_sends(chancy):
    """A long bulk push holds no more than a few chunks of jobs in memory."""
    filler = "x" * 500

    def jobs(n: int):
        return (Job(func="jobs.noop", kwargs={"filler": filler, "i": i}) for i in range(n))

    async def peak_bytes(n: int) -> int:
        tracemalloc.start()
        try:
            assert len(await chancy.push_many("default", jobs(n))) == n
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await chancy.push_many("default", jobs(10))
    # Two chunks, and five: the one that is sent and the one that is read are all there is.
    assert await peak_bytes(25_000) < 1.3 * await peak_bytes(10_000)


async def test_an_iterable_that_raises_stores_nothing(chancy):
    """An error in the middle of a caller's own generator comes out as it is, and nothing was stored."""

    def broken():
        for _ in range(6000):
            yield ECHO
        raise ZeroDivisionError

    async def broken_later() -> AsyncIterator[Job]:
        for one in broken():
            yield one

    for jobs in (broken, broken_later):
        with pytest.raises(ZeroDivisionError):
            await chancy.push_many("default", jobs())
    with pytest.raises(UnknownQueue):
        await chancy.push_many(ECHO.with_queue("nowhere" if n == 6000 else "default") for n in range(6001))
    assert await count(chancy) == 0


async def test_an_async_iterable_may_use_the_application_itself(chancy):
    """While push_many reads its jobs, they may come from other pushes and reads of the same application."""

    async def echoes() -> AsyncIterator[Job]:
        for _ in range(3):
            reference = await chancy.push(ECHO)
            yield ECHO.with_meta(after=str((await reference.get()).id))

    assert len(await chancy.push_many(echoes())) == 3
    assert await count(chancy) == 6


async def test_push_many_costs_a_round_trip_a_chunk(chancy, monkeypatch):
    """A bulk push sends a few statements for thousands of jobs, with unique keys and without."""
    steps = []
    answer = flow._answer

    async def counted(cursor, step):
        if not isinstance(step, flow.Pause):
            steps.append(step)
        return await answer(cursor, step)

    monkeypatch.setattr(flow, "_answer", counted)
    await chancy.push_many([ECHO] * 5000)
    assert [type(step).__name__ for step in steps] == ["Query", "CopyIn", "Query"]
    steps.clear()
    await chancy.push_many(ECHO.with_unique_key(f"k{n}") for n in range(5000))
    assert len(steps) <= 4
    steps.clear()
    # What is there already needs no more, however long it is.
    await chancy.push_many([ECHO] * 12_000)
    assert [type(step).__name__ for step in steps] == ["Query", "CopyIn", "Query"]


async def test_pushes_without_end_leave_the_connections_to_others_too(new_chancy):
    """With a single connection, a look at a job gets its turn although pushes never pause."""
    async with new_chancy(pool_max_size=1) as chancy:
        await chancy.migrate()
        reference = await chancy.push(ECHO)

        async def pushes():
            while True:
                await chancy.push(ECHO)

        tasks = [asyncio.create_task(pushes()) for _ in range(5)]
        try:
            async with asyncio.timeout(WITHIN_S):
                assert (await reference.get()).state == "pending"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
