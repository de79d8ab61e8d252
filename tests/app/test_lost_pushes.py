"""Pushes whose connection, answer or caller is lost: stored once, or not at all."""

from __future__ import annotations

import asyncio
import random

import psycopg
import pytest
from pushed import ECHO, count, losing

from chancy import Reference
from chancy_core.store import flow


async def test_a_push_cancelled_in_line_stores_nothing(chancy):
    """Whoever is cancelled before the write began has pushed nothing; the others are not disturbed."""
    first = asyncio.create_task(chancy.push(ECHO))
    await asyncio.sleep(0)
    second, third = (asyncio.create_task(chancy.push(ECHO)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, third)
    assert second.cancelled() or second.exception() is None
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await count(chancy) == 2


async def test_a_push_survives_the_loss_of_its_connection(chancy, dsn):
    """A connection that was killed between two pushes is replaced; every job is stored exactly once."""
    await chancy.push(ECHO)
    with psycopg.connect(dsn, autocommit=True) as admin:
        for _ in range(3):
            async with chancy.pool.connection() as connection:
                pid = connection.info.backend_pid
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            await chancy.push(ECHO)
    assert await count(chancy) == 4


def test_a_sync_push_survives_the_loss_of_its_connection(new_chancy, dsn):
    """Without asyncio too, a connection that was killed between two pushes is replaced, and what it kept with it."""
    with new_chancy() as chancy, psycopg.connect(dsn, autocommit=True) as admin:
        chancy.sync_migrate()
        for _ in range(3):
            chancy.sync_push(ECHO)
            with chancy.sync_pool.connection() as connection:
                pid = connection.info.backend_pid
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        chancy.sync_push(ECHO)
        assert chancy.sync_count_jobs() == {"default": {"pending": 4}}


async def test_pushes_while_connections_are_killed_are_stored_once(chancy, dsn):
    """However often the connection is lost in the middle of a push, what was answered is stored, and nothing twice."""
    killed = 0
    dice = random.Random(5)

    async def kill() -> None:
        nonlocal killed
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
            while True:
                cursor = await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'chancy' AND query LIKE %s",
                    [f"%{chancy.settings.schema}%"],
                )
                killed += cursor.rowcount
                # Now and then long enough for a push on a busy machine.
                await asyncio.sleep(dice.uniform(0, 0.2))

    async def push(number: int) -> Reference | None:
        try:
            return await chancy.push(
                ECHO.with_kwargs(value=number).with_unique_key(f"k{number}" if number % 2 else None)
            )
        except psycopg.OperationalError:
            # Lost twice in a row: whether it was stored is for the caller to find out.
            return None

    killing = asyncio.create_task(kill())
    answers: dict[int, Reference | None] = {}
    while killed < 10 or not any(answers.values()):
        numbers = range(len(answers), len(answers) + 10)
        answers |= zip(numbers, await asyncio.gather(*map(push, numbers)), strict=True)
    killing.cancel()
    await asyncio.wait([killing])
    # By a connection of its own: the last kill may just have hit one that the pool would hand out.
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(f"SELECT (kwargs->>'value')::int, id FROM {chancy.settings.schema}.jobs")
        stored = await cursor.fetchall()
    assert len({number for number, _ in stored}) == len(stored)
    answered = {number: answer.identifier for number, answer in answers.items() if answer is not None}
    assert answered
    assert answered.items() <= dict(stored).items()


@pytest.mark.parametrize("unique_key", [None, "k"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_push_whose_answer_is_lost_is_stored_once(chancy, new_chancy, monkeypatch, when, unique_key):
    """Whether the connection was lost before the commit or after it, the push ends well, and the job is there once."""
    job = ECHO.with_unique_key(unique_key)

    monkeypatch.setattr(flow, "_answer", losing(flow._answer, when))
    reference = await chancy.push(job)
    assert reference.created
    assert (await reference.get()).id == reference.identifier
    assert await count(chancy) == 1
    monkeypatch.setattr(flow, "_answer_sync", losing(flow._answer_sync, when))
    with new_chancy() as other:
        again = other.sync_push(job)
        assert again.created is (unique_key is None)
        assert (again == reference) is (unique_key == "k")
    assert await count(chancy) == (2 if unique_key is None else 1)


async def test_a_push_cancelled_while_it_is_written_disturbs_nobody(chancy):
    """A push that is cancelled in the middle of its write stores its job or not; its neighbours return theirs."""
    for _ in range(20):
        tasks = [asyncio.create_task(chancy.push(ECHO)) for _ in range(10)]
        await asyncio.sleep(0.001)
        tasks[3].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        references = [answer for answer in answers if isinstance(answer, Reference)]
        assert len(references) >= 9
        assert None not in await chancy.get_jobs(references)
