"""The same session of PostgreSQL once more, as a connection with asyncio or as one without.

Plugins' hooks are coroutines and use an `AsyncConnection`; the connection of a test may be one without asyncio. Both
can stand on one session, as long as they take turns: psycopg keeps what belongs to the session in its `PGconn`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg

C = TypeVar("C", psycopg.AsyncConnection[Any], psycopg.Connection[Any])


def async_twin(connection: psycopg.Connection[Any]) -> psycopg.AsyncConnection[Any]:
    """A connection with asyncio on the session of one without. It must not be used while the other one is."""
    return _made(psycopg.AsyncConnection, connection)


def sync_twin(connection: psycopg.AsyncConnection[Any]) -> psycopg.Connection[Any]:
    """As `async_twin`, the other way round."""
    return _made(psycopg.Connection, connection)


def _made(kind: type[C], connection: Any) -> C:
    pgconn = connection.pgconn
    handlers = pgconn.notice_handler, pgconn.notify_handler
    twin = kind(pgconn)
    pgconn.notice_handler, pgconn.notify_handler = handlers
    # It begins no transaction: the test has, or means each statement to be one.
    twin._autocommit = True  # noqa: SLF001 -- setting it the public way asks the server, which is not needed
    # Both would give their prepared statements the same names.
    twin.prepare_threshold = None
    # Not its own to close, so that nobody is warned that it was not.
    twin._pool = None  # noqa: SLF001
    return twin
