"""Sessions that the server has ended, connections that cannot be made, and how they are kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from far import ECHO, stored

from chancy_core.app import Chancy
from chancy_core.errors import DatabaseUnavailable
from chancy_core.store import connect, idle, pooling, pools, tries
from chancy_core.values.queue import Queue


@pytest.mark.parametrize("name", ["push", "push_many", "get_jobs", "migrate", "declare"])
async def test_ended_idle_sessions_cost_nobody_a_failure(chancy, query, name, until):
    """However many idle sessions the server has ended, the next call of each kind succeeds."""
    await hold_several(chancy)
    end_sessions(query)
    arguments = {"push": [ECHO], "push_many": [[ECHO]], "get_jobs": [[]], "declare": [Queue("other")]}
    await getattr(chancy, name)(*arguments.get(name, []))


def test_ended_idle_sessions_cost_no_sync_call_a_failure(new_chancy, query):
    """The same without asyncio."""
    with new_chancy() as chancy:
        for call in (
            lambda: chancy.sync_push(ECHO),
            lambda: chancy.sync_push_many([ECHO]),
            lambda: chancy.sync_get_jobs([]),
            chancy.sync_migrate,
        ):
            chancy.sync_push(ECHO)
            end_sessions(query)
            call()


async def test_sessions_that_time_out_while_idle_cost_nobody_a_failure(dsn, schema, query, until):
    """With a short idle_session_timeout, each call after an idle time succeeds."""
    where = psycopg.conninfo.make_conninfo(dsn, options="-c idle_session_timeout=1s")
    async with Chancy(where, schema=schema, discover=False) as chancy:
        for call in (lambda: chancy.push(ECHO), lambda: chancy.push_many([ECHO]), chancy.migrate, chancy.count_jobs):
            await chancy.push(ECHO)
            await until(lambda: query("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%{s}%%'") == [(1,)])
            await call()


async def test_sessions_that_have_become_read_only_are_replaced(chancy):
    """After a fail-over all sessions of the pool lead to a server that takes no changes: no call fails for that."""
    for call in (
        lambda: chancy.push(ECHO),
        lambda: chancy.push_many([ECHO]),
        lambda: chancy.declare(Queue("q")),
        lambda: chancy.pause_queue("q"),
    ):
        await hold_several(chancy, "SET default_transaction_read_only = on", idle_for_s=10.0)
        await call()


def test_sync_sessions_that_have_become_read_only_are_replaced(new_chancy):
    """The same without asyncio."""
    with new_chancy() as chancy:
        for call in (lambda: chancy.sync_push(ECHO), lambda: chancy.sync_push_many([ECHO])):
            with chancy.sync_pool.connection() as connection:
                connection.execute("SET default_transaction_read_only = on")
            connection.idle_since -= 10
            call()


async def test_a_database_that_stays_read_only_is_told_as_that(chancy, monkeypatch, dsn):
    """Every session is read-only: in the end the error says so, and how the primary is found."""
    monkeypatch.setattr(tries, "AGAIN_S", 0.5)
    monkeypatch.setattr(chancy.pool, "dsn", psycopg.conninfo.make_conninfo(dsn, options=READ_ONLY))
    chancy.pool._idle.drop()
    with pytest.raises(DatabaseUnavailable, match="target_session_attrs=read-write"):
        await chancy.push(ECHO)


READ_ONLY = "-c default_transaction_read_only=on"


async def hold_several(chancy: Chancy, statement: str = "SELECT 1", idle_for_s: float = 0.0) -> None:
    """Leave five idle connections in the pool, on which this was executed."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(chancy.pool.connection()) for _ in range(5)]
        for connection in found:
            await connection.execute(f'/* "{chancy.settings.schema}" */ {statement}'.encode())
    for connection in found:
        connection.idle_since -= idle_for_s


def end_sessions(query: Callable[..., list[Any]]) -> None:
    query(
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'chancy' "
        "AND state = 'idle' AND query LIKE '%%{s}%%'"
    )


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("FATAL:  sorry, too many clients already", "has no connection left"),
        ('FATAL:  too many connections for role "app"', "has no connection left"),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "no connection left",
        ),
        ("FATAL:  the database system is starting up", "try again shortly"),
        ("FATAL:  the database system is in recovery mode", "try again shortly"),
        ("FATAL:  the database system is shutting down", "try again shortly"),
        ('FATAL:  password authentication failed for user "app"', "user and the password"),
        ("fe_sendauth: no password supplied", "user and the password"),
        ('FATAL:  role "app" does not exist', "user and the password"),
        ('FATAL:  role "app" is not permitted to log in', "user and the password"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "app"', "pg_hba.conf"),
        ('FATAL:  database "app" does not exist', "no such database"),
        ("session is read-only", "target_session_attrs"),
        ("FATAL:  désolé, trop de clients sont déjà connectés", "Check that the server runs"),
        ("connection refused", "Check that the server runs"),
    ],
)
def test_the_advice_fits_what_the_server_said(said, advice):
    """The reasons that a server gives by itself are told apart; whatever else it says gets the general advice."""
    text = str(connect.unavailable("host=db dbname=app password=secret", psycopg.OperationalError(said)))
    assert advice in text
    assert "secret" not in text


def test_a_role_without_connections_left_is_told_as_that(dsn, schema):
    """For real: a role that may have no connection hears that, and not that the server does not run."""
    role = f"role_{schema}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0".encode())
        try:
            with pytest.raises(DatabaseUnavailable, match="no connection left"):
                Chancy(psycopg.conninfo.make_conninfo(dsn, user=role), schema=schema, discover=False).sync_open()
            with pytest.raises(DatabaseUnavailable, match="no such database"):
                Chancy(psycopg.conninfo.make_conninfo(dsn, dbname=schema), discover=False).sync_open()
        finally:
            admin.execute(f"DROP ROLE {role}".encode())


async def test_a_pool_that_cannot_connect_for_a_moment_waits(chancy, monkeypatch):
    """Too many connections, or a server that starts, are waited out; the caller only hears of it if it lasts."""
    real, failures = pools.connect, 3

    async def failing(dsn, **options):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise connect.unavailable(dsn, psycopg.OperationalError("FATAL:  sorry, too many clients already"))
        return await real(dsn, **options)

    chancy.pool._idle.drop()
    monkeypatch.setattr(pools, "connect", failing)
    await chancy.push(ECHO)
    assert failures < 0


async def test_a_pool_whose_connections_are_all_in_use_says_so(new_chancy, monkeypatch):
    """Waiting for a connection that others keep ends with what to do."""
    monkeypatch.setattr(pooling, "SLOT_WITHIN_S", 0.1)
    async with new_chancy(pool_max_size=1) as chancy, chancy.pool.connection():
        with pytest.raises(DatabaseUnavailable, match="pool_max_size"):
            async with chancy.pool.connection():
                pass


async def test_idle_connections_are_closed_after_a_while(new_chancy, monkeypatch, until):
    """Nobody has needed them for so long: they are closed although nothing happens, and opened again when needed."""
    monkeypatch.setattr(idle, "IDLE_MAX_S", 0.2)
    async with new_chancy() as chancy:
        await hold_several(chancy)
        await until(lambda: not chancy.pool._idle._stack)
        await chancy.push(ECHO)


async def test_sync_idle_connections_are_closed_after_a_while(new_chancy, monkeypatch, until):
    """The same without asyncio."""
    monkeypatch.setattr(idle, "IDLE_MAX_S", 0.2)
    with new_chancy() as chancy:
        chancy.sync_push(ECHO)
        await until(lambda: not chancy.sync_pool._idle._stack)
        chancy.sync_push(ECHO)


async def test_a_transaction_left_open_is_not_handed_on(chancy, query):
    """Whoever gives a connection back in the middle of a transaction leaves nothing of it to the next."""
    async with chancy.pool.connection() as connection:
        await connection.execute("BEGIN")
        await chancy.push(ECHO, connection=connection)
    async with chancy.pool.connection() as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert stored(query) == 0
