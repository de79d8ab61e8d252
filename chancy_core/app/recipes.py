"""What is told to whoever passes as `connection=` what no job can be written on, and what to pass instead."""

from __future__ import annotations

import inspect
from typing import Any, Final

from chancy_core.errors import InvalidConnection

__all__ = ["InvalidConnection"]

TAKEN: Final = (
    "give a psycopg 3 connection or cursor, a Session, AsyncSession, Connection or AsyncConnection of SQLAlchemy, "
    "Django's connection, or a connection of asyncpg or psycopg2"
)
# For what belongs to another library: by the module that its class comes from, up to a dot.
_OF_LIBRARY: Final = {
    "asyncpg": "of asyncpg, give a connection: async with pool.acquire() as connection.",
    "psycopg2": "of psycopg2, give a connection or a cursor: pool.getconn() takes one out of a pool.",
    "aiopg": (
        "Chancy does not know how to write on it. Do this transaction on a connection of psycopg 3 "
        "(psycopg.AsyncConnection.connect) or asyncpg, or push after your commit, without connection=."
    ),
    "psycopg_pool": (
        "a pool has no transaction. Take a connection out of it: with pool.connection() as connection, or async with."
    ),
    "peewee": (
        "give the connection beneath it, database.connection(), of a database whose driver is psycopg 3 (playhouse's "
        "Psycopg3Database)."
    ),
    "tortoise": (
        "its connections are asyncpg's, or belong to a wrapper of its own. Push after your commit, without connection=."
    ),
    "sqlite3": "it leads to SQLite, and jobs are in PostgreSQL. Push after your commit, without connection=.",
    "chancy_core": "it belongs to Chancy. Leave connection= out, and Chancy takes one of its own connections.",
    "fastapi": "it is what FastAPI has yet to resolve. Give the value that the endpoint receives from it.",
}
# These go by the recipe of another one.
_LIKE: Final = {"playhouse": "peewee", "aiosqlite": "sqlite3", "databases": "tortoise"}
# For what is no connection yet, by the name of its class, as those libraries and Python call it.
_OF_KIND: Final = {
    "Engine": "an engine has no transaction. Take a connection: with engine.begin() as connection.",
    "AsyncEngine": "an engine has no transaction. Take a connection: async with engine.begin() as connection.",
    "sessionmaker": "it makes sessions. Give one of them: with Session.begin() as session.",
    "async_sessionmaker": "it makes sessions. Give one of them: async with Session.begin() as session.",
    "SessionTransaction": "give the session itself.",
    "AsyncSessionTransaction": "give the session itself.",
    "SQLAlchemy": "give its session, db.session.",
    "ConnectionHandler": 'it has several. Give one of them: connections["default"], or django.db.connection.',
    "str": "a text is none. psycopg.connect(dsn) makes one of a DSN.",
}


def none_given() -> InvalidConnection:
    """Somebody passed None, and would have the job outside of the transaction that it was meant for."""
    return InvalidConnection(
        "connection is None, so the job would not be in your transaction: is the variable set by then? (Django's "
        "connection.connection is None until the first query: give django.db.connection itself.) Leave connection= out "
        "to write outside of any transaction of yours."
    )


def unknown(found: Any, given: Any = None) -> InvalidConnection:
    """It is no connection, or one of another library."""
    if found is None and given is None:
        return none_given()
    kind = type(found)
    within = "" if given is None else f" (in a {_name(given)})"
    return InvalidConnection(f"connection is {_name(found)}{within}: {_recipe(found, kind)}")


def _recipe(found: Any, kind: type) -> str:
    for base in kind.__mro__:
        if base.__name__ in _OF_KIND and base is not object:
            return f"{TAKEN}; {_OF_KIND[base.__name__]}"
        library = base.__module__.partition(".")[0]
        library = _LIKE.get(library, library)
        if library in _OF_LIBRARY:
            return _OF_LIBRARY[library]
    return f"{TAKEN}{_way_there(found, kind)}."


def _way_there(found: Any, kind: type) -> str:
    """What has to be done with it to come to a connection, perhaps."""
    if inspect.isawaitable(found):
        return ". Or await it, and give what it returns"
    if inspect.isgenerator(found) or inspect.isasyncgen(found):
        return ". Or what it yields, if that is one"
    if hasattr(kind, "__enter__") or hasattr(kind, "__aenter__"):
        return ". Or what its block is given: with … as connection"
    if callable(found):
        return "; not what makes one, but what that returns"
    return ""


def async_for_sync(given: Any) -> InvalidConnection:
    """Code without asyncio was given a connection that is awaited."""
    return InvalidConnection(
        f"connection is {_name(given)}, an async one: use the method without sync_, and await it: "
        "`await chancy.push(…, connection=…)`. In code without asyncio, give a sync connection or session."
    )


def beneath_async(given: Any) -> InvalidConnection:
    """A sync session of SQLAlchemy whose engine is an async one: the one beneath an AsyncSession."""
    return InvalidConnection(
        f"connection is the sync {_name(given)} beneath an AsyncSession: give the AsyncSession itself, and await: "
        "`await chancy.push(…, connection=session)`, outside of run_sync."
    )


def unbound(given: Any, error: Exception) -> InvalidConnection:
    """A session with several engines, or none."""
    return InvalidConnection(
        f"connection is {_name(given)}, which does not say where it leads ({type(error).__name__}: {error!s:.200}). If "
        "it has an engine for each model, give the connection of one: "
        'session.connection(bind_arguments={"mapper": Model}).'
    )


def not_begun(given: Any) -> InvalidConnection:
    """`engine.connect()` that nobody awaited."""
    return InvalidConnection(
        f"connection is {_name(given)} that was never opened: async with engine.connect() as connection, or await it."
    )


def closed(given: Any) -> InvalidConnection:
    """It was a connection once."""
    return InvalidConnection(
        f"connection is {_name(given)} that is closed, or lost: push before the end of its block, or on a new one."
    )


def other_database(given: Any, name: str) -> InvalidConnection:
    """It leads to SQLite, say."""
    return InvalidConnection(
        f"connection is {_name(given)} of {name}: jobs are in PostgreSQL, and can only share a transaction with what "
        "is there. Push after your commit, without connection=."
    )


def other_driver(given: Any, driver: str) -> InvalidConnection:
    """It leads to PostgreSQL by another library than psycopg 3, and whoever writes on it needs that one."""
    return InvalidConnection(
        f"connection is {_name(given)} that goes through {driver}, on which jobs can be pushed, but nothing more than "
        "jobs, as here, which needs psycopg 3: make the engine with create_engine, or create_async_engine, "
        '("postgresql+psycopg://…"), or push after your commit, without connection=.'
    )


def failed_before() -> InvalidConnection:
    """Its transaction takes nothing any more."""
    return InvalidConnection(
        "The transaction of the connection has failed before, by a statement of its own, and takes nothing until "
        "it is rolled back: roll it back, or to a savepoint, and ask again."
    )


def django_in_loop() -> InvalidConnection:
    """Django's connections are for code without asyncio."""
    return InvalidConnection(
        "connection is Django's, which cannot be used where an event loop runs: put the transaction and "
        "`chancy.sync_push(…, connection=connection)` into one function, and await sync_to_async(function)()."
    )


def elsewhere(info: Any, schema: str, ours: str) -> InvalidConnection:
    """It leads to a database where the tables are not."""
    return InvalidConnection(
        f"The connection leads to {_place(info)}, where the "
        f"schema {schema!r} has no such tables of Chancy. This Chancy's are at {ours}: connect to that database, or "
        f"bring that schema up to date with `chancy --schema {schema} migrate`."
    )


def _place(info: Any) -> str:
    if info is None:
        return "a database"
    return f"{info.host or 'the default host'}:{info.port}, database {info.dbname}"


def _name(given: Any) -> str:
    return "None" if given is None else type(given).__name__
