"""Pushing in the caller's transaction, what is told of it and when, and without asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.rows import dict_row
from pushed import ECHO, count
from support import WITHIN_S, until

from chancy import Chancy, Job, Queue, State, Worker
from chancy_core.app import pushing
from chancy_core.errors import InvalidJob, NotOpen, UnknownQueue
from chancy_core.store import Store, flow
from chancy_core.values.notices import Notice


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("kind", ["async", "async cursor", "sync", "sync cursor"])
async def test_the_job_exists_if_and_only_if_the_transaction_commits(chancy, dsn, kind, commit):
    """push and push_many write on the caller's connection or cursor, whatever kind it is."""
    if kind.startswith("async"):
        connection = await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row)
        given = connection.cursor() if "cursor" in kind else connection
        await chancy.push(ECHO, connection=given)
        await chancy.push_many([ECHO] * 3, connection=given)
        assert await count(chancy) == 0
        await (connection.commit() if commit else connection.rollback())
        await connection.close()
    else:
        with psycopg.connect(dsn) as connection:
            given = connection.cursor() if "cursor" in kind else connection
            await chancy.push(ECHO, connection=given)
            await chancy.push_many([ECHO] * 3, connection=given)
            assert await count(chancy) == 0
            if not commit:
                connection.rollback()
    assert await count(chancy) == (4 if commit else 0)


async def test_a_bulk_push_cancelled_as_it_begins_to_write_leaves_the_transaction_usable(chancy, dsn, query):
    """What the caller wrote before it can be committed, without any of its jobs."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:

        def copies(settle_s: float) -> bool:
            # While the loop stands still, the server has time to answer.
            time.sleep(settle_s)
            found = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND query LIKE 'COPY%%' AND state = 'active'"
            return bool(query(found, connection.info.backend_pid))

        # A busy server may need longer; if it was too slow to be seen, it is given more time.
        for settle_s in (0.003, 0.03, 0.3, 3.0):
            before = await chancy.push(ECHO, connection=connection)
            task = asyncio.create_task(chancy.push_many([ECHO] * 3, connection=connection))
            while not (found := copies(settle_s)) and not task.done():  # noqa: ASYNC110 -- one step at a time
                await asyncio.sleep(0)
            if found:
                break
            await connection.rollback()
        assert found
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await connection.commit()
        assert await before.get()
        assert await count(chancy) == 1


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("kind", ["async", "sync", "without asyncio"])
async def test_a_bulk_push_may_be_the_first_of_its_transaction(chancy, new_chancy, dsn, kind, commit):
    """On a connection that has done nothing yet, push_many begins the caller's transaction and does not commit it."""
    if kind == "async":
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await chancy.push_many([ECHO] * 3, connection=connection)
            assert await count(chancy) == 0
            if not commit:
                await connection.rollback()
    else:
        with psycopg.connect(dsn) as connection:
            if kind == "sync":
                await chancy.push_many([ECHO] * 3, connection=connection)
            else:
                with new_chancy() as other:
                    other.sync_push_many([ECHO] * 3, connection=connection)
            assert await count(chancy) == 0
            if not commit:
                connection.rollback()
    assert await count(chancy) == (3 if commit else 0)


async def test_on_an_autocommit_connection_a_push_commits_at_once(chancy, dsn):
    """A connection that autocommits has no transaction to wait for; inside a block of its own it has one."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await chancy.push(ECHO, connection=connection)
        await chancy.push_many([ECHO] * 3, connection=connection)
        assert await count(chancy) == 4
        async with connection.transaction(force_rollback=True):
            await chancy.push(ECHO, connection=connection)
            await chancy.push_many([ECHO] * 3, connection=connection)
    assert await count(chancy) == 4


async def test_a_push_in_a_savepoint_shares_its_fate(chancy, dsn):
    """What was pushed inside a savepoint that is rolled back is not there; what was pushed around it is."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        before = await chancy.push(ECHO, connection=connection)
        async with connection.transaction(force_rollback=True):
            inside = [
                await chancy.push(ECHO, connection=connection),
                *(await chancy.push_many([ECHO] * 2, connection=connection)),
            ]
        after = await chancy.push_many([ECHO] * 2, connection=connection)
    found = await chancy.get_jobs([before, *inside, *after])
    assert [job is not None for job in found] == [True, False, False, False, True, True]


async def test_workers_hear_of_a_push_when_it_commits(chancy, dsn):
    """A job pushed in a transaction is not run before the commit, and is run soon after it."""
    async with Worker(chancy), await psycopg.AsyncConnection.connect(dsn) as connection:
        one = await chancy.push(ECHO, connection=connection)
        many = await chancy.push_many([ECHO] * 3, connection=connection)
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        assert await chancy.get_jobs([one, *many]) == [None] * 4
        await connection.commit()
        finished = await chancy.wait_for_jobs([one, *many], timeout=WITHIN_S)
    assert {job.state for job in finished} == {State.SUCCEEDED}


async def test_a_sync_push_needs_a_sync_connection(new_chancy, dsn):
    """An async connection or iterable given to a sync method is refused with what to use instead."""

    async def later() -> AsyncIterator[Job]:
        yield ECHO

    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        with new_chancy() as chancy:
            for push in (chancy.sync_push, chancy.sync_push_many):
                with pytest.raises(TypeError, match="use the method without sync_"):
                    push(ECHO, connection=connection)
            with pytest.raises(TypeError, match="cannot read an async iterable"):
                chancy.sync_push_many(later())
            assert chancy.sync_count_jobs() == {}


async def test_a_refused_push_leaves_the_callers_transaction_usable(chancy, dsn):
    """After a bulk push that was refused half-way, the caller may go on and commit, and nothing of it is there."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await chancy.push(ECHO, connection=connection)
        with pytest.raises(InvalidJob):
            await chancy.push_many([ECHO] * 6000 + [ECHO.with_kwargs(value=b"x")], connection=connection)
        with pytest.raises(UnknownQueue):
            await chancy.push("nowhere", ECHO, connection=connection)
        await chancy.push(ECHO, connection=connection)
    assert await count(chancy) == 2


async def test_what_is_no_connection_is_refused(chancy):
    """Anything but a psycopg connection or cursor is refused with what to give instead."""
    with pytest.raises(TypeError, match="give a psycopg 3 connection or cursor"):
        await chancy.push(ECHO, connection=object())


async def test_a_search_path_does_not_matter(chancy, dsn):
    """Statements name their schema: a push works whatever the caller's search_path is."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("SET search_path = pg_catalog")
        await chancy.push(ECHO, connection=connection)
        await chancy.push_many([ECHO, ECHO.with_unique_key("k")], connection=connection)
    assert await count(chancy) == 3


async def test_pushes_that_follow_each_other_tell_for_those_before(chancy, monkeypatch):
    """A queue is told with the first push after a gap; that takes a statement of its own only if no push follows."""
    monkeypatch.setattr(pushing, "NOTIFY_GAP_S", 0.02)
    monkeypatch.setattr(pushing, "NOTIFY_LATE_S", 2.0)
    alone: list[list[Notice]] = []
    notify = Store.notify

    def noted(self: Store, notices: list[Notice]) -> flow.Flow[None]:
        alone.append(notices)
        return notify(self, notices)

    monkeypatch.setattr(Store, "notify", noted)
    # Longer than anything may wait to be told.
    until_s = time.monotonic() + 2.5
    while time.monotonic() < until_s:
        await chancy.push(ECHO)
    assert not alone
    await until(lambda: chancy.connections.here.pusher._telling.task is None)
    # Whether the last push told by itself is chance.
    assert alone in ([], [[Notice.ready("default")]])


def test_the_sync_twins(new_chancy, dsn):
    """Everything an application needs works without an event loop."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
        chancy.sync_declare(Queue("mail"))
        reference = chancy.sync_push("mail", ECHO)
        assert chancy.sync_get_job(reference).queue == "mail"
        assert reference.sync_get().state == State.PENDING
        assert len(chancy.sync_push_many("mail", (ECHO for _ in range(6001)))) == 6001
        with psycopg.connect(dsn) as connection:
            chancy.sync_push(ECHO, connection=connection)
            chancy.sync_push_many([ECHO], connection=connection.cursor())
            connection.rollback()
        assert chancy.sync_count_jobs() == {"mail": {"pending": 6002}}
        with pytest.raises(UnknownQueue, match="Did you mean 'mail'"):
            chancy.sync_push("mial", ECHO)


async def test_outside_its_block_a_chancy_says_so(new_chancy):
    """A push after closing is an error that says what to write."""
    chancy = new_chancy()
    async with chancy:
        await chancy.push(ECHO)
    with pytest.raises(NotOpen, match="async with"):
        await chancy.push_many([ECHO])


async def test_a_chancy_may_be_opened_again(new_chancy):
    """Closing and opening again works, and close returns only when everything is written."""
    chancy = new_chancy()
    async with chancy:
        pushes = [asyncio.create_task(chancy.push(ECHO)) for _ in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*pushes)
    async with chancy:
        await until(lambda: _fifty(chancy))


async def _fifty(chancy: Chancy) -> bool:
    return await count(chancy) == 50
