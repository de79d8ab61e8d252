"""What cannot be written on is refused as `connection=`, and told what to give instead of that very thing."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError
from handed_over import django_connections
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from chancy import Chancy, Job, Queue
from chancy_core.app.operation import Operation
from chancy_core.errors import ChancyError, InvalidConnection

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


def of(module: str, name: str = "Connection", **attributes: Any) -> Any:
    """An object of a class that calls itself a library's, for a library that need not be installed."""
    return type(name, (), {"__module__": module, **attributes})()


def asyncpg_connection() -> AsyncConnection:
    pytest.importorskip("asyncpg")
    return create_async_engine("postgresql+asyncpg://nowhere").connect()


def psycopg_engine() -> Any:
    return create_engine("postgresql+psycopg://nowhere")


def async_engine() -> Any:
    return create_async_engine("postgresql+psycopg://nowhere")


@contextmanager
def dependency() -> Iterator[None]:
    yield


def generator() -> Iterator[None]:
    yield


# What is given, and what has to be said of it. None of them needs a server.
WRONG: list[tuple[str, Callable[[], Any], str]] = [
    ("none", lambda: None, r"connection is None, so the job would not be in your transaction.* Leave connection= out"),
    (
        "text",
        lambda: "postgresql://user:secret@host/db",
        r"is str: give a psycopg 3 .*psycopg\.connect\(dsn\) makes one",
    ),
    ("number", lambda: 5, "is int: give a psycopg 3 connection or cursor, a Session, AsyncSession, Connection"),
    ("true", lambda: True, "is bool: give a psycopg 3 connection"),
    ("object", object, "is object: give a psycopg 3 connection"),
    ("dict", lambda: {"connection": 1}, "is dict: give a psycopg 3 connection"),
    ("class", lambda: Session, "is type: .*; not what makes one, but what that returns"),
    ("function", lambda: psycopg.connect, "is method: .*; not what makes one, but what that returns"),
    ("block", dependency, r"is _GeneratorContextManager: .*what its block is given: with … as connection"),
    ("generator", generator, "is generator: .*Or what it yields"),
    ("engine", psycopg_engine, r"is Engine: .*an engine has no transaction.*with engine\.begin\(\) as connection"),
    ("async engine", async_engine, r"is AsyncEngine: .*async with engine\.begin\(\) as connection"),
    ("maker", lambda: sessionmaker(psycopg_engine()), r"is sessionmaker: .*with Session\.begin\(\) as session"),
    ("async maker", lambda: async_sessionmaker(async_engine()), r"is async_sessionmaker: .*async with Session\.begin"),
    ("no engine", Session, r"is Session, which does not say where it leads .*bind_arguments=\{\"mapper\": Model\}"),
    ("not begun", lambda: Session(psycopg_engine()).begin(), "is SessionTransaction: .*give the session itself"),
    ("sqlite session", lambda: Session(create_engine("sqlite://")), "is Session of sqlite: jobs are in PostgreSQL"),
    ("sqlite", lambda: sqlite3.connect(":memory:"), "is Connection: it leads to SQLite.* Push after your commit"),
    ("psycopg2 pool", lambda: of("psycopg2.pool", "SimpleConnectionPool"), r"pool\.getconn\(\) takes one out"),
    ("asyncpg pool", lambda: of("asyncpg.pool", "Pool"), r"async with pool\.acquire\(\) as connection"),
    ("aiopg", lambda: of("aiopg.connection"), "does not know how to write on it"),
    (
        "pool",
        lambda: of("psycopg_pool.pool", "ConnectionPool"),
        r"a pool has no transaction.*with pool\.connection\(\)",
    ),
    ("peewee", lambda: of("peewee", "PostgresqlDatabase"), r"database\.connection\(\), .*Psycopg3Database"),
    ("tortoise", lambda: of("tortoise.backends.asyncpg.client"), "Push after your commit, without connection="),
    ("databases", lambda: of("databases.core", "Database"), "Push after your commit, without connection="),
    ("fastapi", lambda: of("fastapi.params", "Depends"), "Give the value that the endpoint receives"),
    ("flask", lambda: of("flask_sqlalchemy.extension", "SQLAlchemy"), r"is SQLAlchemy: .*db\.session"),
    ("pool of ours", lambda: of("chancy_core.store.pools", "Pool"), "it belongs to Chancy. Leave connection= out"),
    ("django all", lambda: of("django.db.utils", "ConnectionHandler"), r'is ConnectionHandler: .*ons\["default"\]'),
]
ASYNC_ONLY: list[tuple[str, Callable[[], Any], str]] = [
    ("asyncpg connection", asyncpg_connection, r"is AsyncConnection that was never opened: async with engine\.connect"),
    ("never opened", lambda: async_engine().connect(), r"is AsyncConnection that was never opened: async with engine"),
    ("beneath async", lambda: AsyncSession(async_engine()).sync_session, "is the sync Session beneath an AsyncSession"),
]
FOR_SYNC: list[tuple[str, Callable[[], Any], str]] = [
    ("async session", lambda: AsyncSession(async_engine()), r"is AsyncSession, an async one: .*`await chancy\.push\("),
    ("async connection", lambda: async_engine().connect(), "is AsyncConnection, an async one: use the method without"),
    ("beneath async", lambda: AsyncSession(async_engine()).sync_session, "is the sync Session beneath an AsyncSession"),
]


def params(*tables: list[tuple[str, Callable[[], Any], str]]) -> list[Any]:
    return [pytest.param(make, says, id=name) for table in tables for name, make, says in table]


@pytest.mark.parametrize(("make", "says"), params(WRONG, ASYNC_ONLY))
async def test_each_wrong_thing_gets_the_recipe_that_fits_it(chancy, make, says):
    """In every method that takes one, before anything is written, and without secrets."""
    reference = await chancy.push(ECHO)
    given = make()
    for call in (
        lambda: chancy.push(ECHO, connection=given),
        lambda: chancy.push_many([ECHO], connection=given),
        lambda: chancy.cancel_job(reference, connection=given),
        lambda: chancy.declare(Queue("q"), connection=given),
    ):
        with pytest.raises(InvalidConnection, match=says) as raised:
            await call()
        assert isinstance(raised.value, TypeError)
        assert isinstance(raised.value, ChancyError)
        assert "secret" not in str(raised.value)
    assert await chancy.count_jobs() == {"default": {"pending": 1}}
    assert [queue.name for queue in await chancy.get_all_queues()] == ["default"]


@pytest.mark.parametrize(("make", "says"), params(WRONG, FOR_SYNC))
def test_and_so_without_asyncio(new_chancy, make, says):
    """Where an async session is told to be awaited, too."""
    with new_chancy() as chancy:
        reference = chancy.sync_push(ECHO)
        given = make()
        for call in (
            lambda: chancy.sync_push(ECHO, connection=given),
            lambda: chancy.sync_push_many([ECHO], connection=given),
            lambda: chancy.sync_retry_jobs([reference], connection=given),
            lambda: chancy.sync_pause_queue("default", connection=given),
        ):
            with pytest.raises(InvalidConnection, match=says):
                call()
        assert chancy.sync_count_jobs() == {"default": {"pending": 1}}


async def test_a_connection_that_was_not_awaited(chancy, dsn):
    """The coroutine that would make one is told to be awaited."""
    coming = psycopg.AsyncConnection.connect(dsn)
    with pytest.raises(InvalidConnection, match=r"is coroutine: .*Or await it, and give what it returns"):
        await chancy.push(ECHO, connection=coming)
    await (await coming).close()


async def test_django_where_a_loop_runs_is_told_of_sync_to_async(chancy, dsn):
    """Django itself refuses to be used there."""
    connections = django_connections(dsn)
    with pytest.raises(InvalidConnection, match=r"await sync_to_async\(function\)\(\)"):
        await chancy.push(ECHO, connection=connections["default"])


def test_django_s_other_database(new_chancy, dsn):
    """One of them may be SQLite, in which there are no jobs."""
    with (
        new_chancy() as chancy,
        pytest.raises(InvalidConnection, match="is DatabaseWrapper of sqlite: jobs are in PostgreSQL"),
    ):
        chancy.sync_push(ECHO, connection=django_connections(dsn)["light"])


def test_django_s_broken_transaction_takes_no_job(new_chancy, dsn):
    """After an error inside of atomic, Django refuses it as it does any query."""
    connections = django_connections(dsn)
    with new_chancy() as chancy, transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            chancy.sync_push(ECHO, connection=connections["default"])
        transaction.set_rollback(False)
    connections["default"].close()


async def test_a_connection_that_is_closed(chancy, dsn):
    """Of psycopg and of SQLAlchemy: it says so, instead of what libpq says."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        pass
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    with engine.connect() as closed:
        pass
    asynchronous = create_async_engine(
        "postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(dsn)
    )
    async with asynchronous.connect() as gone:
        pass
    for given in (connection, closed, gone):
        with pytest.raises(InvalidConnection, match=r"Connection that (is closed, or lost|was never opened)"):
            await chancy.push(ECHO, connection=given)
    engine.dispose()
    await asynchronous.dispose()


async def test_a_transaction_that_has_failed_takes_no_job(chancy, dsn):
    """It is told to be rolled back, and takes jobs again afterwards."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await connection.execute("SELECT 1/0")
        for call in (
            lambda: chancy.push(ECHO, connection=connection),
            lambda: chancy.push_many([ECHO], connection=connection),
            lambda: chancy.pause_queue("default", connection=connection),
        ):
            with pytest.raises(InvalidConnection, match=r"has failed before.* roll it back"):
                await call()
        await connection.rollback()
        await chancy.push(ECHO, connection=connection)
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


async def test_another_database_is_told_by_name(chancy, dsn):
    """Where the schema is not: which database the connection leads to, and which one is Chancy's."""
    elsewhere = make_conninfo(dsn, dbname="template1")
    says = rf"leads to .* database template1, where the schema '{chancy.settings.schema}' has no such tables"
    async with await psycopg.AsyncConnection.connect(elsewhere) as connection:
        for call in (
            lambda: chancy.push(ECHO, connection=connection),
            lambda: chancy.push_many([ECHO], connection=connection),
            lambda: chancy.resume_queue("default", connection=connection),
        ):
            with pytest.raises(InvalidConnection, match=says):
                await call()
            await connection.rollback()


async def test_a_sync_connection_beneath_an_async_session(chancy, dsn):
    """Within `run_sync`, SQLAlchemy's sync session has an async connection beneath it."""
    engine = create_async_engine("postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(dsn))
    async with AsyncSession(engine) as session:
        with pytest.raises(InvalidConnection, match="give the AsyncSession itself, and await"):
            await session.run_sync(lambda beneath: chancy.sync_push(ECHO, connection=beneath))
    await engine.dispose()


def test_every_operation_that_changes_something_takes_a_connection():
    """A new one cannot be without."""
    operations = {name: found.operation for name, found in vars(Chancy).items() if hasattr(found, "operation")}
    changes = {name for name, operation in operations.items() if not operation.repeatable}
    assert {"cancel_job", "sync_retry_jobs", "declare", "sync_delete_queue"} <= changes
    for name in changes:
        assert isinstance(operations[name], Operation)
        parameter = inspect.signature(getattr(Chancy, name)).parameters["connection"]
        assert parameter.kind is parameter.KEYWORD_ONLY, name
