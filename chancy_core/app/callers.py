"""Write in the transaction of whoever calls, whichever kind of connection it is on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.store import Flow, run, run_sync
from chancy_core.store.connect import callers_connection
from chancy_core.store.flow import AsyncConnection

T = TypeVar("T")


async def run_on(connection: Any, flow: Flow[T]) -> T:
    """Run a flow on a caller's connection or cursor, whichever kind it is."""
    found = callers_connection(connection)
    if isinstance(found, psycopg.AsyncConnection):
        return await run(found, flow)
    return run_sync(found, flow)


def sync_connection(connection: Any) -> psycopg.Connection[Any]:
    """The caller's connection, which must be a sync one. Raises TypeError."""
    found = callers_connection(connection)
    if isinstance(found, psycopg.AsyncConnection):
        raise TypeError("connection is an async one: use the method without sync_, or give a sync connection.")
    return found


@asynccontextmanager
async def savepoint(connection: Any) -> AsyncIterator[AsyncConnection | psycopg.Connection[Any]]:
    """A savepoint in the caller's transaction, so that a push that fails leaves nothing behind in it."""
    found = callers_connection(connection)
    if isinstance(found, psycopg.AsyncConnection):
        if _has_yet_to_begin(found):
            await found.execute(b"SELECT")
        async with found.transaction():
            yield found
    else:
        with savepoint_sync(found):
            yield found


@contextmanager
def savepoint_sync(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """As `savepoint`."""
    if _has_yet_to_begin(connection):
        connection.execute(b"SELECT")
    with connection.transaction():
        yield


def _has_yet_to_begin(connection: AsyncConnection | psycopg.Connection[Any]) -> bool:
    """Whether its first statement would begin the caller's transaction; psycopg's `transaction()` would commit it."""
    return not connection.autocommit and connection.info.transaction_status is TransactionStatus.IDLE
