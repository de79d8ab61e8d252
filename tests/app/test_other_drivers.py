"""`connection=` of drivers that are not psycopg 3: what is different there, and what must not be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import psycopg2
import pytest
import sqlalchemy.exc
from drivers import asyncpg_arguments
from handed_over import (
    asyncpg_connection,
    psycopg2_connection,
    sqlalchemy_asyncpg_session,
    sqlalchemy_psycopg2_session,
)
from sqlalchemy import text

from chancy import Job, Queue, Worker
from chancy.plugin import savepoint
from chancy_core.app import others
from chancy_core.errors import InvalidConnection, UniqueKeyTaken, UnknownQueue
from chancy_core.store.flow import Query

ECHO = Job(func="jobs.echo", kwargs={"value": 1})
KEYED = Job(func="jobs.echo", unique_key="k", unique_while="waiting")
ASYNC = [asyncpg_connection, sqlalchemy_asyncpg_session]
SYNC = [psycopg2_connection, sqlalchemy_psycopg2_session]
# Whatever a driver, or SQL, could read as something else than text.
ODD = [
    "it's",
    "50% %s %(x)s %%",
    "\\",
    "\\n \n\t",
    "$1 $$ :a ::b",
    "ü 😀 \u2028",
    '"',
    "E'x'",
    "{a,NULL}",
    "NULL",
    "\\N",
    "",
]


def odd_jobs() -> list[Job]:
    return [ECHO.with_kwargs(value=value, **{f"{value}.": [value]}).with_meta({"m": value}) for value in ODD]


@pytest.mark.parametrize("held", ASYNC, ids=lambda held: held.__name__)
async def test_no_text_is_read_as_sql(chancy, dsn, query, held):
    """Neither in one job, nor in many, nor in names; also where backslashes escape in every text."""
    jobs = odd_jobs()
    async with held(dsn) as (given, commit, _):
        setting = "SET standard_conforming_strings = off"
        await (given.execute(setting) if held is asyncpg_connection else given.execute(text(setting)))
        pushed = [
            await chancy.push(job.with_unique_key(f"one {n}{ODD[n]}"), connection=given) for n, job in enumerate(jobs)
        ]
        pushed += await chancy.push_many(jobs, connection=given)
        keyed = [job.with_unique_key(f"many {n}{ODD[n]}") for n, job in enumerate(jobs)]
        pushed += await chancy.push_many(keyed, connection=given)
        await commit()
    found = [await chancy.get_job(reference) for reference in pushed]
    assert [(job.kwargs, job.meta) for job in found] == [(job.kwargs, job.meta) for job in jobs] * 3
    assert found[0].unique_key == "one 0it's"
    assert query("SELECT count(*) FROM {s}.jobs") == [(3 * len(ODD),)]


@pytest.mark.parametrize("held", SYNC, ids=lambda held: held.__name__)
def test_nor_without_asyncio(new_chancy, dsn, held):
    """As above."""
    jobs = odd_jobs()
    with new_chancy() as chancy, held(dsn) as (given, commit, _):
        pushed = [chancy.sync_push(job, connection=given) for job in jobs]
        pushed += chancy.sync_push_many(jobs, connection=given)
        commit()
        found = [chancy.sync_get_job(reference) for reference in pushed]
        assert [(job.kwargs, job.meta) for job in found] == [(job.kwargs, job.meta) for job in jobs] * 2


@pytest.mark.parametrize("held", ASYNC, ids=lambda held: held.__name__)
async def test_many_jobs_are_stored_all_or_none(chancy, dsn, query, held):
    """More than one statement takes; and what the caller wrote before a failed push stays, and can be committed."""

    def failing() -> Iterator[Job]:
        yield from [ECHO] * 5000
        raise LookupError("no more")

    async with held(dsn) as (given, commit, _):
        await chancy.push(ECHO, connection=given)
        with pytest.raises(LookupError):
            await chancy.push_many(failing(), connection=given)
        with pytest.raises(UnknownQueue):
            await chancy.push("nowhere", ECHO, connection=given)
        many = await chancy.push_many([ECHO.with_kwargs(value="x" * 200)] * 12_000, connection=given)
        await commit()
    assert len(set(many)) == 12_000
    assert query("SELECT count(*) FROM {s}.jobs") == [(12_001,)]


@pytest.mark.parametrize("held", ASYNC, ids=lambda held: held.__name__)
async def test_a_taken_key_is_answered_there_too(chancy, dsn, held):
    """With the job that is there, an error, or by replacing it, also of keys of which one job may wait."""
    there = await chancy.push(ECHO.with_unique_key("k"))
    waits = await chancy.push(KEYED)
    async with held(dsn) as (given, commit, _):
        again = await chancy.push(ECHO.with_unique_key("k"), connection=given)
        assert (again, again.created) == (there, False)
        again = await chancy.push(KEYED, connection=given)
        assert (again, again.created) == (waits, False)
        with pytest.raises(UniqueKeyTaken):
            await chancy.push(ECHO.with_unique_key("k"), on_conflict="raise", connection=given)
        other = ECHO.with_kwargs(value=2).with_unique_key("k")
        replaced = await chancy.push(other, on_conflict="replace", connection=given)
        assert (replaced, replaced.replaced) == (there, True)
        await commit()
    assert (await there.get()).kwargs == {"value": 2}


async def test_a_worker_hears_of_the_commit(chancy, dsn):
    """It runs the job, and the result comes back as any."""
    async with Worker(chancy), sqlalchemy_asyncpg_session(dsn) as (session, commit, _):
        reference = await chancy.push(ECHO, connection=session)
        await commit()
        assert (await reference.wait(timeout=60)).result == 1


async def test_a_connection_that_commits_each_statement(chancy, dsn, query):
    """asyncpg's outside of a block: one job, or many at once, and all of those or none."""
    connection = await asyncpg.connect(**asyncpg_arguments(dsn))
    await chancy.push(ECHO, connection=connection)
    assert query("SELECT count(*) FROM {s}.jobs") == [(1,)]
    with pytest.raises(UniqueKeyTaken):
        await chancy.push_many([ECHO, *[ECHO.with_unique_key("k")] * 2], on_conflict="raise", connection=connection)
    assert query("SELECT count(*) FROM {s}.jobs") == [(1,)]
    await chancy.push_many([ECHO] * 3, connection=connection)
    assert query("SELECT count(*) FROM {s}.jobs") == [(4,)]
    await connection.close()


def test_a_connection_of_psycopg2_that_commits_each_statement(new_chancy, dsn, query):
    """As above."""
    with new_chancy() as chancy, psycopg2_connection(dsn) as (connection, *_):
        connection.autocommit = True
        chancy.sync_push(ECHO, connection=connection)
        chancy.sync_push_many([ECHO] * 3, connection=connection)
        assert query("SELECT count(*) FROM {s}.jobs") == [(4,)]


# -- what goes wrong -----------------------------------------------------------------------


async def test_the_caller_gets_the_errors_of_his_own_library(chancy, dsn, query):
    """Those that the statements of a push raise, with the class that he catches elsewhere."""
    query("ALTER TABLE {s}.jobs ADD CONSTRAINT mine CHECK (priority < 100)")
    job = ECHO.with_priority(100)
    async with sqlalchemy_asyncpg_session(dsn) as (session, *_):
        with pytest.raises(sqlalchemy.exc.IntegrityError, match="mine"):
            await chancy.push(job, connection=session)
        with pytest.raises(InvalidConnection, match="has failed before"):
            await chancy.push(ECHO, connection=session)
        with pytest.raises(InvalidConnection, match="has failed before"):
            await chancy.push_many([ECHO], connection=session)
        await session.rollback()
        await chancy.push(ECHO, connection=session)
    async with asyncpg_connection(dsn) as (connection, *_):
        with pytest.raises(asyncpg.CheckViolationError, match="mine"):
            await chancy.push(job, connection=connection)
    with psycopg2_connection(dsn) as (connection, *_):
        with pytest.raises(psycopg2.errors.CheckViolation, match="mine"):
            await chancy.push(job, connection=connection)
        with pytest.raises(InvalidConnection, match="has failed before"):
            await chancy.push_many([ECHO], connection=connection)
        connection.close()
        with pytest.raises(InvalidConnection, match="that is closed"):
            await chancy.push(ECHO, connection=connection)


async def test_another_database_is_told(chancy, dsn):
    """Where the schema is not."""
    given = {**asyncpg_arguments(dsn), "database": "template1"}
    connection = await asyncpg.connect(**given)
    for call in (
        lambda: chancy.push(ECHO, connection=connection),
        lambda: chancy.push_many([ECHO], connection=connection),
        lambda: chancy.declare(Queue("q"), connection=connection),
    ):
        with pytest.raises(InvalidConnection, match=rf"schema '{chancy.settings.schema}' has no such tables"):
            await call()
    await connection.close()


def test_async_ones_are_not_for_code_without_asyncio(new_chancy, dsn):
    """It is told to await."""
    made = type("Connection", (asyncpg.connection.Connection,), {"__init__": lambda _: None, "__del__": lambda _: None})
    with new_chancy() as chancy, pytest.raises(InvalidConnection, match="an async one: use the method without sync_"):
        chancy.sync_push(ECHO, connection=made())


async def test_whoever_writes_more_than_jobs_is_told_that_it_needs_psycopg(chancy, dsn):
    """A plugin that asks for a savepoint on the caller's connection, to write on it as on one of psycopg."""
    async with asyncpg_connection(dsn) as (connection, *_):
        with pytest.raises(InvalidConnection, match=r"goes through asyncpg, .* needs psycopg 3"):
            async with savepoint(chancy, connection):
                raise AssertionError
        await chancy.push(ECHO, connection=connection)


class Closed:
    """A connection whose library raises an error of its own, which the server has not said."""

    error = ConnectionError("the connection is closed")

    def execute(self, _text):
        raise self.error

    async def execute_async(self, text):
        self.execute(text)


async def test_an_error_of_a_library_itself_is_not_its_own_cause(chancy):
    """Whoever walks along the causes, as those do who report errors, would never come to an end."""
    store, closed = chancy.store, Closed()

    def flow():
        yield Query(b"SELECT 1")

    for run in (
        lambda: others.Other(closed, "x", closed.execute).run(flow(), store, "here"),
        lambda: asyncio.run(others.AsyncOther(closed, "x", closed.execute_async).run(flow(), store, "here")),
    ):
        with pytest.raises(ConnectionError) as caught:
            await asyncio.to_thread(run)
        assert caught.value is closed.error
        assert caught.value.__cause__ is None


async def test_what_went_wrong_is_told_although_the_savepoint_cannot_be_rolled_back(dsn):
    """The connection is gone by then: the error of the rollback says less than the first one."""

    async def spoilt_async():
        async with asyncpg_connection(dsn) as (connection, *_), others.of_asyncpg(connection).savepoint():
            await connection.close()
            raise ValueError("the first")

    def spoilt():
        plain = psycopg2.extensions.cursor
        with psycopg2_connection(dsn) as (own, *_), others.of_psycopg2(own, own, plain).savepoint():
            own.close()
            raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        await spoilt_async()
    with pytest.raises(ValueError, match="the first"):
        spoilt()
