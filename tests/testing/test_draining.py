"""`drain` runs what was pushed in the transaction of the test, as a worker would, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import drained_jobs
import psycopg
import pytest
from handed_over import (
    django_connection,
    psycopg_async_connection,
    psycopg_connection,
    sqlalchemy_async_session,
    sqlalchemy_scoped_session,
)
from making import plugin

from chancy import Queue
from chancy.errors import ChancyError
from chancy.testing import AsyncJobs, Jobs


def rows(query):
    """How many rows each table of the schema has, and how many clocks there are."""
    tables = query("SELECT tablename FROM pg_tables WHERE schemaname = trim('{s}', '\"') ORDER BY 1")
    counts = {name: query(f'SELECT count(*) FROM {{s}}."{name}"')[0][0] for (name,) in tables}
    clocks = query("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'chancy_clock%%'")
    return counts, clocks


def name_of(value):
    return getattr(value, "__name__", None)


# -- on the caller's own connection ---------------------------------------------------------


# The other kinds are taken as a push takes them.
@pytest.mark.parametrize("held", [psycopg_connection, sqlalchemy_scoped_session, django_connection], ids=name_of)
def test_jobs_were_run_outside_the_transaction_that_had_pushed_them(application, dsn, query, held):
    """Pushed, claimed, run, tried again, recorded: on whatever the application holds, until it rolls back."""
    before = rows(query)
    with held(dsn) as (given, _, rollback):
        with Jobs(application, given) as jobs:
            lucky = application.sync_push(drained_jobs.third_time_lucky)
            application.sync_push_many([drained_jobs.count_down.job.with_kwargs(n=1)] * 2)
            later = asyncio.run(application.push(drained_jobs.count_down_later.job.with_kwargs(n=1)))
            drained = jobs.drain(until=timedelta(days=1))
            assert (drained.succeeded, drained.retried, drained.failed) == (7, 2, 0)
            assert lucky.sync_get().result == "at last"
            assert [error.message for error in lucky.sync_get().errors] == [
                "not at attempt 1",
                "not at attempt 2",
            ]
            assert later.sync_get().state == "succeeded"
            assert rows(query) == before
        rollback()
    assert rows(query) == before


@pytest.mark.parametrize("held", [psycopg_async_connection, sqlalchemy_async_session], ids=name_of)
async def test_jobs_were_run_outside_the_async_transaction_that_had_pushed_them(new_chancy, dsn, query, held):
    """The same with asyncio: coroutine functions on the loop of the test, plain ones in threads."""
    async with new_chancy() as chancy:
        before = rows(query)
        async with held(dsn) as (given, _, rollback):
            async with AsyncJobs(chancy, given) as jobs:
                lucky = await chancy.push(drained_jobs.third_time_lucky)
                await chancy.push_many([drained_jobs.count_down.job.with_kwargs(n=1)] * 2)
                await asyncio.to_thread(chancy.sync_push, drained_jobs.count_down_later.job.with_kwargs(n=1))
                drained = await jobs.drain(until=timedelta(days=1))
                assert (drained.succeeded, drained.retried, drained.failed) == (7, 2, 0)
                assert (await lucky.get()).result == "at last"
                assert rows(query) == before
            await rollback()
        assert rows(query) == before


def test_a_test_had_to_open_a_connection_to_have_it_rolled_back(application, query):
    """Without one of the test's own, one is made for the block, and all that was done on it is gone."""
    before = rows(query)
    with Jobs(application) as jobs:
        application.sync_declare(Queue("mail"))
        application.sync_push("mail", drained_jobs.add.job.with_kwargs(a=1, b=2))
        assert jobs.drain().succeeded == 1
        assert application.sync_count_jobs("state:succeeded").value == 1
    assert rows(query) == before
    assert application.sync_push(drained_jobs.raises).sync_get().state == "pending"


def test_what_was_committed_is_drained_on_a_connection_that_autocommits(application, dsn, query):
    """Then it is there for everybody, and nothing is left of the drain itself."""
    with psycopg.connect(dsn, autocommit=True) as connection, Jobs(application, connection) as jobs:
        pushed = application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=2))
        assert jobs.drain().succeeded == 1
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)
    assert pushed.sync_get().result == 3
    counts, clocks = rows(query)
    assert (counts["workers"], clocks) == (0, [(0,)])


def test_a_job_that_broke_a_statement_broke_the_transaction_of_the_test(application, dsn):
    """Its own work is undone, its failure recorded, and what the test has written stays."""
    with psycopg.connect(dsn) as connection, Jobs(application, connection) as jobs:
        drained_jobs.GIVEN.append(connection)
        connection.execute("CREATE TEMPORARY TABLE of_the_test (x integer)")
        broken = application.sync_push(drained_jobs.breaks_a_statement)
        with pytest.raises(psycopg.errors.DivisionByZero):
            jobs.drain()
        assert broken.sync_get().errors[0].type == "DivisionByZero"
        found = connection.execute("SELECT to_regclass('of_the_test') IS NULL, to_regclass('of_the_job') IS NULL")
        assert found.fetchall() == [(False, True)]


def test_a_job_that_committed_left_rows_behind_without_a_word(application, dsn):
    """Nobody could roll back any more: it is told, with the job's name."""
    with psycopg.connect(dsn) as connection, Jobs(application, connection) as jobs:
        drained_jobs.GIVEN.append(connection)
        application.sync_push(drained_jobs.commits)
        with pytest.raises(ChancyError, match=r"drained_jobs\.commits .* ended the transaction of the test"):
            jobs.drain()


def test_settings_of_the_session_were_those_of_plugins_afterwards(application, new_chancy, dsn):
    """What a drain and the hooks in it set is as it was."""

    async def on_end(self, ended, connection):
        await connection.execute("SELECT")

    with new_chancy(plugins=[plugin(on_end=on_end)]) as chancy, psycopg.connect(dsn) as connection:
        connection.execute("SET statement_timeout = '77s'; SET lock_timeout = '55s'; SET search_path = pg_temp")
        before = connection.execute("SHOW ALL").fetchall()
        with Jobs(chancy, connection) as jobs:
            chancy.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=2))
            assert jobs.drain().succeeded == 1
        after = connection.execute("SHOW ALL").fetchall()
        assert [one for one in after if one not in before and not one[0].startswith("chancy.")] == []
