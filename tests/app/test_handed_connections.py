"""`connection=` takes what applications really hold: connections and sessions of psycopg, SQLAlchemy and Django."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from handed_over import (
    ASYNC,
    SYNC,
    SYNC_IN_A_LOOP,
    django_connections,
    sqlalchemy_async_session,
    sqlalchemy_scoped_session,
    sqlalchemy_session,
)
from hearing_apps import HEARD, writer
from making import plugin
from sqlalchemy import text

from chancy import Chancy, Job, Queue, Worker
from chancy_core.errors import UnknownQueue

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


def name_of(value: Any) -> str | None:
    return getattr(value, "__name__", None)


# -- it is written in their transaction ----------------------------------------------------


@pytest.mark.parametrize("commits", [True, False], ids=["commit", "rollback"])
@pytest.mark.parametrize("held", SYNC, ids=name_of)
def test_a_job_exists_if_and_only_if_the_session_commits(new_chancy, dsn, held, commits):
    """One job, many, and every change of queues and jobs, in the transaction of whatever was given."""
    with new_chancy() as chancy:
        old = chancy.sync_push(ECHO)
        chancy.sync_declare(Queue("gone"))
        with held(dsn) as (given, commit, rollback):
            chancy.sync_push(ECHO, connection=given)
            chancy.sync_push_many([ECHO] * 2, connection=given)
            chancy.sync_declare(Queue("mail"), connection=given)
            chancy.sync_push("mail", ECHO, connection=given)
            chancy.sync_pause_queue("mail", connection=given)
            chancy.sync_delete_queue("gone", connection=given)
            assert chancy.sync_cancel_job(old, reason="x", connection=given)
            assert chancy.sync_retry_jobs([old], connection=given) == [old]
            assert chancy.sync_cancel_jobs([old], connection=given)
            assert chancy.sync_count_jobs() == {"default": {"pending": 1}}
            commit() if commits else rollback()
        pushed = {"default": {"pending": 3}, "mail": {"pending": 1}} if commits else {"default": {"pending": 1}}
        assert chancy.sync_count_jobs() == pushed
        assert old.sync_get().state == ("cancelled" if commits else "pending")
        names = [queue.name for queue in chancy.sync_get_all_queues()]
        assert names == (["default", "mail"] if commits else ["default", "gone"])
        if commits:
            assert chancy.sync_get_queue("mail").state == "paused"


@pytest.mark.parametrize("commits", [True, False], ids=["commit", "rollback"])
@pytest.mark.parametrize("held", [*ASYNC, *SYNC_IN_A_LOOP], ids=name_of)
async def test_with_asyncio_too(chancy, dsn, held, commits):
    """Async sessions and connections, and those that are not, as with psycopg's."""
    old = await chancy.push(ECHO)
    async with AsyncExitStack() as stack:
        if held in ASYNC:
            given, commit, rollback = await stack.enter_async_context(held(dsn))
        else:
            given, commit, rollback = stack.enter_context(held(dsn))
        await chancy.push(ECHO, connection=given)
        await chancy.push_many([ECHO] * 2, connection=given)
        await chancy.declare(Queue("mail"), connection=given)
        await chancy.push("mail", ECHO, connection=given)
        await chancy.pause_queue("mail", connection=given)
        await chancy.resume_queue("mail", connection=given)
        assert await old.cancel(connection=given)
        assert await chancy.retry_jobs([old], connection=given) == [old]
        assert await chancy.cancel_job(old, connection=given)
        assert await chancy.count_jobs() == {"default": {"pending": 1}}
        ended = commit() if commits else rollback()
        if ended is not None:
            await ended
    pushed = {"default": {"pending": 3}, "mail": {"pending": 1}} if commits else {"default": {"pending": 1}}
    assert await chancy.count_jobs() == pushed
    assert (await old.get()).state == ("cancelled" if commits else "pending")


async def test_what_the_application_wrote_is_in_the_same_transaction(chancy, dsn, query):
    """A session's own statements and its job commit together, in the savepoint that they were written in."""
    query("CREATE TABLE {s}.orders (id integer)")
    async with sqlalchemy_async_session(dsn) as (session, commit, _):
        insert = text(f'INSERT INTO "{chancy.settings.schema}".orders VALUES (1)')
        await session.execute(insert)
        nested = await session.begin_nested()
        await session.execute(insert)
        await chancy.push(ECHO, connection=session)
        await nested.rollback()
        await chancy.push(ECHO, connection=session)
        await commit()
    assert query("SELECT count(*) FROM {s}.orders") == [(1,)]
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


async def test_a_refused_push_leaves_a_session_usable(chancy, dsn):
    """What it has written before, and what it writes afterwards, can be committed."""
    async with sqlalchemy_async_session(dsn) as (session, commit, _):
        await chancy.push(ECHO, connection=session)
        with pytest.raises(UnknownQueue):
            await chancy.push("nowhere", ECHO, connection=session)
        with pytest.raises(UnknownQueue):
            await chancy.pause_queue("nowhere", connection=session)
        await chancy.push(ECHO, connection=session)
        await commit()
    assert await chancy.count_jobs() == {"default": {"pending": 2}}


async def test_a_unique_key_that_a_session_has_is_its_own(chancy, dsn):
    """The second push of a key in one transaction is the first one's job; so is one after the commit."""
    job = ECHO.with_unique_key("k")
    async with sqlalchemy_async_session(dsn) as (session, commit, _):
        first = await chancy.push(job, connection=session)
        again = await chancy.push(job, connection=session)
        assert (again, again.created) == (first, False)
        await commit()
    assert await chancy.push(job) == first


async def test_workers_hear_of_what_a_session_changed_when_it_commits(chancy, dsn, until):
    """A job, and a queue that resumes, in a transaction: neither before, both soon after its end."""
    await chancy.declare(Queue("held", state=Queue.State.PAUSED))
    waiting = await chancy.push("held", ECHO)
    async with Worker(chancy) as worker:
        await until(lambda: "default" in worker.slots())
        async with sqlalchemy_async_session(dsn) as (session, commit, _):
            pushed = await chancy.push(ECHO, connection=session)
            await chancy.resume_queue("held", connection=session)
            assert await chancy.get_job(pushed) is None
            assert (await waiting.get()).state == "pending"
            await commit()
        done = await chancy.wait_for_jobs([pushed, waiting], timeout=60)
    assert [job.state for job in done] == ["succeeded", "succeeded"]


async def test_ends_in_a_transaction_are_told_by_a_worker_after_it(new_chancy, dsn, query, until):
    """`on_end` hears of a job that was cancelled on a connection of the caller's, and only if that has committed."""
    chancy = new_chancy()
    plugins = [writer(f'"{chancy.settings.schema}"')]
    async with new_chancy(plugins=plugins) as heard, Worker(heard):
        query(HEARD)
        await heard.declare(Queue("later", tags=["nobody"]))
        kept, gone = await heard.push_many("later", [ECHO] * 2)
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await heard.cancel_job(kept, connection=connection)
            await connection.rollback()
            await heard.cancel_job(gone, connection=connection)
            assert query("SELECT count(*) FROM {s}.heard") == [(0,)]
        await until(lambda: query("SELECT id FROM {s}.heard") == [(gone.identifier,)])


def test_a_push_is_the_first_thing_django_does(new_chancy, dsn):
    """It connects at the first query of a thread, which may be the push; without atomic, that commits at once."""
    connections = django_connections(dsn)
    connections["default"].close()
    with new_chancy() as chancy:
        chancy.sync_push(ECHO, connection=connections["default"])
        assert chancy.sync_count_jobs() == {"default": {"pending": 1}}
    connections["default"].close()


def test_plugins_see_a_push_in_a_session_before_it_is_stored(new_chancy, dsn):
    """`on_push` is called for it as for any other."""
    marker = plugin("marker", on_push=lambda _, jobs: [job.with_meta(seen=True) for job in jobs])
    with new_chancy(plugins=[marker]) as chancy:
        with sqlalchemy_session(dsn) as (session, commit, _):
            reference = chancy.sync_push(ECHO, connection=session)
            commit()
        assert reference.sync_get().meta == {"seen": True}


def test_a_thread_uses_its_own_session(new_chancy: Callable[..., Chancy], dsn):
    """A scoped session is that of whoever pushes."""
    with new_chancy() as chancy, sqlalchemy_scoped_session(dsn) as (session, _, rollback):
        chancy.sync_push(ECHO, connection=session)
        rollback()
        chancy.sync_push(ECHO, connection=session)
        session.commit()
        assert chancy.sync_count_jobs() == {"default": {"pending": 1}}
