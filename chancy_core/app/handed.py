"""From what a caller passes as `connection=` to the connection in it, whichever library made it: psycopg's, or another.

No library is imported for that: whoever passes something of it has imported it.
"""

from __future__ import annotations

import sys
from typing import Any, Final, TypeAlias

import msgspec
import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.app import others, recipes
from chancy_core.app.others import AsyncOther, Other
from chancy_core.store.flow import AsyncConnection, Connection

# What a flow runs on where nothing is awaited, and where something is.
Sync: TypeAlias = Connection | Other
Found: TypeAlias = AsyncConnection | AsyncOther | Sync

# The default of `connection=`: none of the caller's own. None is something else, mostly a variable that was never set.
OWN: Final = msgspec.UNSET

_SQLALCHEMY: Final = "sqlalchemy.orm", "sqlalchemy.ext.asyncio", "sqlalchemy.engine", "sqlalchemy.pool"
# What drivers of SQLAlchemy are made for psycopg 3, and its kind of database.
_DRIVERS: Final = ("psycopg", "psycopg_async")
_POSTGRESQL: Final = "postgresql"
_ASYNCPG: Final = "asyncpg.connection", "asyncpg.pool"
_PSYCOPG2: Final = ("psycopg2.extensions",)


async def connection_in(given: Any) -> Found:
    """The connection in what a caller passed as `connection=`.

    Raises:
        InvalidConnection: there is none, or it takes nothing; what to pass instead.
    """
    found: Found | None = _of_psycopg(given)
    if found is None:
        given = _unwrapped(given)
        if _is(given, "AsyncSession", "AsyncConnection"):
            found = await _in_async_sqlalchemy(given)
        else:
            found = _of_asyncpg(given) or _in_sync(given)
    return _usable(found)


def sync_connection_in(given: Any) -> Sync:
    """As `connection_in`, for code without asyncio, which needs a connection without asyncio."""
    found: Found | None = _of_psycopg(given)
    if found is None:
        given = _unwrapped(given)
        if _is(given, "AsyncSession", "AsyncConnection") or _of_asyncpg(given) is not None:
            raise recipes.async_for_sync(given)
        found = _in_sync(given)
    if isinstance(found, psycopg.AsyncConnection | AsyncOther):
        raise recipes.async_for_sync(given)
    _usable(found)
    return found


def _of_psycopg(given: Any) -> AsyncConnection | Connection | None:
    if isinstance(given, psycopg.AsyncConnection | psycopg.Connection):
        return given
    if isinstance(given, psycopg.AsyncCursor | psycopg.Cursor):
        return given.connection
    return None


def _is(given: Any, *names: str, of: tuple[str, ...] = _SQLALCHEMY) -> bool:
    """Whether it is of one of these classes, which those modules have, if anybody has imported them."""
    for module in of:
        for name in names:
            kind = getattr(sys.modules.get(module), name, None)
            if isinstance(kind, type) and isinstance(given, kind):
                return True
    return False


def _unwrapped(given: Any) -> Any:
    """What stands for another object: that one."""
    if _is(given, "LocalProxy", of=("werkzeug.local",)):
        given = given._get_current_object()  # noqa: SLF001 -- the documented way
    if _is(given, "scoped_session", "async_scoped_session"):
        return given()
    return given


def _of_asyncpg(given: Any) -> AsyncOther | None:
    return others.of_asyncpg(given) if _is(given, "Connection", "PoolConnectionProxy", of=_ASYNCPG) else None


def _of_psycopg2(found: Any, given: Any) -> Other | None:
    if _is(found, "cursor", of=_PSYCOPG2):
        found = found.connection
    if not _is(found, "connection", of=_PSYCOPG2):
        return None
    if found.closed:
        raise recipes.closed(given)
    return others.of_psycopg2(given, found, sys.modules[_PSYCOPG2[0]].cursor)


def _in_sync(given: Any) -> Found:
    """The connection in whatever needs not be awaited to give it."""
    if _is(given, "Session"):
        return _in_session(given)
    if _is(given, "Connection"):
        return _in_sqlalchemy(given, given)
    if _is(given, "CursorWrapper", of=("django.db.backends.utils",)):
        given = given.db
    if is_django(given):
        return _in_django(given)
    other = _of_psycopg2(given, given)
    if other is not None:
        return other
    # What SQLAlchemy's raw_connection() returns has the first; the psycopg's own things the second.
    for name in ("driver_connection", "connection"):
        found = getattr(given, name, None)
        if isinstance(found, psycopg.AsyncConnection | psycopg.Connection):
            return found
        other = _of_psycopg2(found, given)
        if other is not None:
            return other
    raise recipes.unknown(getattr(given, "driver_connection", None) or given)


# -- SQLAlchemy, and what is made of it: SQLModel, Flask-SQLAlchemy -------------------------


def _in_session(session: Any) -> Found:
    try:
        bind = session.get_bind()
    except Exception as error:
        raise recipes.unbound(session, error) from error
    _check_database(session, bind.dialect)
    if bind.dialect.is_async:
        # Its connection can only be asked for where SQLAlchemy awaits.
        raise recipes.beneath_async(session)
    return _in_sqlalchemy(session, session.connection())


def _in_sqlalchemy(given: Any, connection: Any) -> Found:
    _check_database(given, connection.dialect)
    if connection.closed:
        raise recipes.closed(given)
    # SQLAlchemy commits what it has begun, and nothing else.
    if not connection.in_transaction():
        connection.begin()
    if connection.dialect.driver not in _DRIVERS:
        return others.of_sqlalchemy(given, connection)
    return _raw(given, connection.connection)


async def _in_async_sqlalchemy(given: Any) -> Found:
    connection = given
    if _is(given, "AsyncSession"):
        try:
            bind = given.get_bind()
        except Exception as error:
            raise recipes.unbound(given, error) from error
        _check_database(given, bind.dialect)
        connection = await given.connection()
    if connection.sync_connection is None:
        raise recipes.not_begun(given)
    _check_database(given, connection.dialect)
    if connection.closed:
        raise recipes.closed(given)
    if not connection.in_transaction():
        await connection.begin()
    if connection.dialect.driver not in _DRIVERS:
        return others.of_async_sqlalchemy(given, connection)
    return _raw(given, await connection.get_raw_connection())


def _check_database(given: Any, dialect: Any) -> None:
    if dialect.name != _POSTGRESQL:
        raise recipes.other_database(given, dialect.name)


def _raw(given: Any, pooled: Any) -> AsyncConnection | Connection:
    found = pooled.driver_connection
    if isinstance(found, psycopg.AsyncConnection | psycopg.Connection):
        return found
    raise recipes.unknown(found, given)


# -- Django --------------------------------------------------------------------------------


def is_django(given: Any) -> bool:
    """Whether it is a connection of Django."""
    if _is(given, "BaseDatabaseWrapper", of=("django.db.backends.base.base",)):
        return True
    # django.db.connection stands for the one of this thread; caches have proxies of the same kind.
    return _is(given, "ConnectionProxy", of=("django.utils.connection",)) and hasattr(given, "ensure_connection")


def _in_django(given: Any) -> Sync:
    if given.vendor != _POSTGRESQL:
        raise recipes.other_database(given, given.vendor)
    try:
        # Django connects at the first query of a thread, which this may be.
        given.ensure_connection()
    except Exception as error:
        if type(error).__name__ == "SynchronousOnlyOperation":
            raise recipes.django_in_loop() from error
        raise
    found = given.connection
    if not isinstance(found, psycopg.Connection):
        found = _of_psycopg2(found, given)
        if found is None:
            raise recipes.unknown(given.connection, given)
    # After an error, Django takes no query until the end of its atomic block, and rolls that back.
    given.validate_no_broken_transaction()
    usable: Sync = found
    return usable


def _usable(found: Found) -> Found:
    if isinstance(found, Other | AsyncOther):
        return found
    if found.closed:
        raise recipes.closed(found)
    if found.info.transaction_status is TransactionStatus.INERROR:
        raise recipes.failed_before()
    return found
