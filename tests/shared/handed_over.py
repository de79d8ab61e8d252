"""What applications hold when they push in their own transaction, each with how it commits and rolls back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pytest
from django.conf import settings
from django.db import connection as django_proxy
from django.db import connections as django_databases
from django.db import transaction
from drivers import asyncpg_arguments
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

EngineOf = Callable[[str], Engine]


def psycopg_engine(dsn: str) -> Engine:
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))


def psycopg2_engine(dsn: str) -> Engine:
    return create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn))


@contextmanager
def psycopg_connection(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn) as connection:
        yield connection, connection.commit, connection.rollback


@contextmanager
def psycopg_cursor(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        yield cursor, connection.commit, connection.rollback


@contextmanager
def sqlalchemy_session(dsn: str, engine_of: EngineOf = psycopg_engine) -> Iterator[Any]:
    engine = engine_of(dsn)
    with Session(engine) as session:
        yield session, session.commit, session.rollback
    engine.dispose()


@contextmanager
def sqlalchemy_scoped_session(dsn: str) -> Iterator[Any]:
    engine = psycopg_engine(dsn)
    session = scoped_session(sessionmaker(engine))
    yield session, session.commit, session.rollback
    session.remove()
    engine.dispose()


@contextmanager
def sqlalchemy_connection(dsn: str, engine_of: EngineOf = psycopg_engine) -> Iterator[Any]:
    """One that has done nothing before, so that nothing has begun its transaction."""
    engine = engine_of(dsn)
    with engine.connect() as connection:
        yield connection, connection.commit, connection.rollback
    engine.dispose()


@contextmanager
def sqlalchemy_raw_connection(dsn: str, engine_of: EngineOf = psycopg_engine) -> Iterator[Any]:
    engine = engine_of(dsn)
    connection = engine.raw_connection()
    yield connection, connection.commit, connection.rollback
    connection.close()
    engine.dispose()


@contextmanager
def sqlmodel_session(dsn: str) -> Iterator[Any]:
    sqlmodel = pytest.importorskip("sqlmodel")
    engine = sqlmodel.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    with sqlmodel.Session(engine) as session:
        yield session, session.commit, session.rollback
    engine.dispose()


@contextmanager
def flask_session(dsn: str) -> Iterator[Any]:
    flask = pytest.importorskip("flask")
    db = pytest.importorskip("flask_sqlalchemy").SQLAlchemy()
    app = flask.Flask("test")
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg://"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"creator": lambda: psycopg.connect(dsn)}
    db.init_app(app)
    with app.app_context():
        yield db.session, db.session.commit, db.session.rollback
        db.session.remove()
        db.engine.dispose()


@contextmanager
def psycopg2_connection(dsn: str) -> Iterator[Any]:
    connection = psycopg2.connect(dsn)
    yield connection, connection.commit, connection.rollback
    connection.close()


@contextmanager
def psycopg2_cursor(dsn: str) -> Iterator[Any]:
    connection = psycopg2.connect(dsn)
    yield connection.cursor(), connection.commit, connection.rollback
    connection.close()


@contextmanager
def sqlalchemy_psycopg2_session(dsn: str) -> Iterator[Any]:
    with sqlalchemy_session(dsn, psycopg2_engine) as held:
        yield held


@contextmanager
def sqlalchemy_psycopg2_connection(dsn: str) -> Iterator[Any]:
    with sqlalchemy_connection(dsn, psycopg2_engine) as held:
        yield held


@contextmanager
def sqlalchemy_raw_psycopg2(dsn: str) -> Iterator[Any]:
    with sqlalchemy_raw_connection(dsn, psycopg2_engine) as held:
        yield held


def django_connections(dsn: str) -> Any:
    """Django's connections by alias: "default", and another one that is SQLite."""
    if not settings.configured:
        options = conninfo_to_dict(dsn)
        name = options.pop("dbname")
        database = {"ENGINE": "django.db.backends.postgresql", "NAME": name, "OPTIONS": options}
        light = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        settings.configure(DATABASES={"default": database, "light": light})
    return django_databases


@contextmanager
def django_atomic(dsn: str, pick: Callable[[Any], Any]) -> Iterator[Any]:
    connections = django_connections(dsn)
    connections["default"].close()
    block = transaction.atomic()
    block.__enter__()
    ended = []

    def rollback() -> None:
        transaction.set_rollback(True)
        end()

    def end() -> None:
        ended.append(True)
        block.__exit__(None, None, None)

    yield pick(connections), end, rollback
    if not ended:
        end()
    connections["default"].close()


def django_connection(dsn: str) -> Any:
    return django_atomic(dsn, lambda _: django_proxy)


def django_by_alias(dsn: str) -> Any:
    return django_atomic(dsn, lambda connections: connections["default"])


def django_beneath(dsn: str) -> Any:
    def beneath(connections: Any) -> Any:
        connections["default"].ensure_connection()
        return connections["default"].connection

    return django_atomic(dsn, beneath)


def django_cursor(dsn: str) -> Any:
    return django_atomic(dsn, lambda connections: connections["default"].cursor())


@asynccontextmanager
async def psycopg_async_connection(dsn: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        yield connection, connection.commit, connection.rollback


@asynccontextmanager
async def psycopg_async_cursor(dsn: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(dsn) as connection, connection.cursor() as cursor:
        yield cursor, connection.commit, connection.rollback


@asynccontextmanager
async def sqlalchemy_async_session(dsn: str) -> AsyncIterator[Any]:
    engine = create_async_engine("postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(dsn))
    async with AsyncSession(engine) as session:
        yield session, session.commit, session.rollback
    await engine.dispose()


@asynccontextmanager
async def sqlalchemy_async_scoped_session(dsn: str) -> AsyncIterator[Any]:
    engine = create_async_engine("postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(dsn))
    session = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)
    yield session, session.commit, session.rollback
    await session.remove()
    await engine.dispose()


@asynccontextmanager
async def sqlalchemy_async_connection(dsn: str) -> AsyncIterator[Any]:
    engine = create_async_engine("postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(dsn))
    async with engine.connect() as connection:
        yield connection, connection.commit, connection.rollback
    await engine.dispose()


@asynccontextmanager
async def asyncpg_connection(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(**asyncpg_arguments(dsn))
    transaction = connection.transaction()
    await transaction.start()
    yield connection, transaction.commit, transaction.rollback
    await connection.close()


@asynccontextmanager
async def asyncpg_of_a_pool(dsn: str) -> AsyncIterator[Any]:
    pool = asyncpg.create_pool(**asyncpg_arguments(dsn), min_size=1, max_size=1)
    async with pool, pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection, transaction.commit, transaction.rollback


def asyncpg_engine(dsn: str) -> Any:
    return create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**asyncpg_arguments(dsn)))


@asynccontextmanager
async def sqlalchemy_asyncpg_session(dsn: str) -> AsyncIterator[Any]:
    engine = asyncpg_engine(dsn)
    async with AsyncSession(engine) as session:
        yield session, session.commit, session.rollback
    await engine.dispose()


@asynccontextmanager
async def sqlalchemy_asyncpg_connection(dsn: str) -> AsyncIterator[Any]:
    engine = asyncpg_engine(dsn)
    async with engine.connect() as connection:
        yield connection, connection.commit, connection.rollback
    await engine.dispose()


@asynccontextmanager
async def sqlmodel_asyncpg_session(dsn: str) -> AsyncIterator[Any]:
    aio = pytest.importorskip("sqlmodel.ext.asyncio.session")
    engine = asyncpg_engine(dsn)
    async with aio.AsyncSession(engine) as session:
        yield session, session.commit, session.rollback
    await engine.dispose()


SYNC = [
    psycopg_connection,
    psycopg_cursor,
    sqlalchemy_session,
    sqlalchemy_scoped_session,
    sqlalchemy_connection,
    sqlalchemy_raw_connection,
    sqlmodel_session,
    flask_session,
    psycopg2_connection,
    psycopg2_cursor,
    sqlalchemy_psycopg2_session,
    sqlalchemy_psycopg2_connection,
    sqlalchemy_raw_psycopg2,
    django_connection,
    django_by_alias,
    django_beneath,
    django_cursor,
]
ASYNC = [
    psycopg_async_connection,
    psycopg_async_cursor,
    sqlalchemy_async_session,
    sqlalchemy_async_scoped_session,
    sqlalchemy_async_connection,
    asyncpg_connection,
    asyncpg_of_a_pool,
    sqlalchemy_asyncpg_session,
    sqlalchemy_asyncpg_connection,
    sqlmodel_asyncpg_session,
]
# Django's cannot be used where a loop runs.
SYNC_IN_A_LOOP = [one for one in SYNC if not one.__name__.startswith("django")]
