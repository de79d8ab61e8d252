"""From what a caller passes as `connection=` to the psycopg connection in it, whichever library made it.

No library is imported for that: whoever passes something of it has imported it.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec
import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.app import recipes
from chancy_core.app.recipes import InvalidConnection
from chancy_core.store.flow import AsyncConnection, Connection

# The default of `connection=`: none of the caller's own. None is something else, mostly a variable that was never set.
OWN: Final = msgspec.UNSET

_SQLALCHEMY: Final = "sqlalchemy.orm", "sqlalchemy.ext.asyncio", "sqlalchemy.engine", "sqlalchemy.pool"
# What drivers of SQLAlchemy are made for psycopg 3, and its kind of database.
_DRIVERS: Final = ("psycopg", "psycopg_async")
_POSTGRESQL: Final = "postgresql"


async def connection_in(given: Any) -> AsyncConnection | Connection:
    """The psycopg connection in what a caller passed as `connection=`.

    Raises:
        InvalidConnection: there is none, or it takes nothing; what to pass instead.
    """
    found = _of_psycopg(given)
    if found is None:
        given = _unwrapped(given)
        if _is(given, "AsyncSession", "AsyncConnection"):
            found = await _in_async_sqlalchemy(given)
        else:
            found = _in_sync(given)
    return _usable(found)


def sync_connection_in(given: Any) -> Connection:
    """As `connection_in`, for code without asyncio, which needs a connection without asyncio."""
    found = _of_psycopg(given)
    if found is None:
        given = _unwrapped(given)
        if _is(given, "AsyncSession", "AsyncConnection"):
            raise recipes.async_for_sync(given)
        found = _in_sync(given)
    if isinstance(found, psycopg.AsyncConnection):
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


def _in_sync(given: Any) -> AsyncConnection | Connection:
    """The connection in whatever needs not be awaited to give it."""
    if _is(given, "Session"):
        return _in_session(given)
    if _is(given, "Connection"):
        return _in_sqlalchemy(given, given)
    if _is(given, "CursorWrapper", of=("django.db.backends.utils",)):
        given = given.db
    if is_django(given):
        return _in_django(given)
    # What SQLAlchemy's raw_connection() returns has the first; the psycopg's own things the second.
    for name in ("driver_connection", "connection"):
        found = getattr(given, name, None)
        if isinstance(found, psycopg.AsyncConnection | psycopg.Connection):
            return found
    raise recipes.unknown(getattr(given, "driver_connection", None) or given)


# -- SQLAlchemy, and what is made of it: SQLModel, Flask-SQLAlchemy -------------------------


def _in_session(session: Any) -> AsyncConnection | Connection:
    try:
        bind = session.get_bind()
    except Exception as error:
        raise recipes.unbound(session, error) from error
    _check_dialect(session, bind.dialect)
    if bind.dialect.is_async:
        # Its connection can only be asked for where SQLAlchemy awaits.
        raise recipes.beneath_async(session)
    return _in_sqlalchemy(session, session.connection())


def _in_sqlalchemy(given: Any, connection: Any) -> AsyncConnection | Connection:
    _check_dialect(given, connection.dialect)
    if connection.closed:
        raise recipes.closed(given)
    # SQLAlchemy commits what it has begun, and nothing else.
    if not connection.in_transaction():
        connection.begin()
    return _raw(given, connection.connection)


async def _in_async_sqlalchemy(given: Any) -> AsyncConnection | Connection:
    connection = given
    if _is(given, "AsyncSession"):
        try:
            bind = given.get_bind()
        except Exception as error:
            raise recipes.unbound(given, error) from error
        _check_dialect(given, bind.dialect)
        connection = await given.connection()
    if connection.sync_connection is None:
        raise recipes.not_begun(given)
    _check_dialect(given, connection.dialect)
    if connection.closed:
        raise recipes.closed(given)
    if not connection.in_transaction():
        await connection.begin()
    return _raw(given, await connection.get_raw_connection())


def _check_dialect(given: Any, dialect: Any) -> None:
    if dialect.name != _POSTGRESQL:
        raise recipes.other_database(given, dialect.name)
    if dialect.driver not in _DRIVERS:
        raise recipes.other_driver(given, dialect.driver, is_async=dialect.is_async)


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


def _in_django(given: Any) -> Connection:
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
        raise recipes.unknown(found, given)
    # After an error, Django takes no query until the end of its atomic block, and rolls that back.
    given.validate_no_broken_transaction()
    return found


def _usable(found: AsyncConnection | Connection) -> AsyncConnection | Connection:
    if found.closed:
        raise recipes.closed(found)
    if found.info.transaction_status is TransactionStatus.INERROR:
        raise InvalidConnection(
            "The transaction of the connection has failed before, by a statement of its own, and takes nothing until "
            "it is rolled back: roll it back, or to a savepoint, and ask again."
        )
    return found
