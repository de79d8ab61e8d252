"""Write in the transaction of whoever calls, whichever kind of connection it is on, and however that is set up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from chancy_core.errors import ChancyError
from chancy_core.store import Flow, run, run_sync
from chancy_core.store.connect import callers_connection
from chancy_core.store.flow import AsyncConnection, Query

T = TypeVar("T")

_UTF8: Final = b"UTF8"


async def run_on(connection: Any, flow: Flow[T]) -> T:
    """Run a flow on a caller's connection or cursor, whichever kind it is."""
    found = callers_connection(connection)
    flow = _in_utf8(found, flow)
    if isinstance(found, psycopg.AsyncConnection):
        return await run(found, flow)
    return run_sync(found, flow)


def run_on_sync(connection: psycopg.Connection[Any], flow: Flow[T]) -> T:
    """As `run_on`, for a sync connection."""
    return run_sync(connection, _in_utf8(connection, flow))


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
        _check_no_pipeline(found)
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
    _check_no_pipeline(connection)
    if _has_yet_to_begin(connection):
        connection.execute(b"SELECT")
    with connection.transaction():
        yield


def _has_yet_to_begin(connection: AsyncConnection | psycopg.Connection[Any]) -> bool:
    """Whether its first statement would begin the caller's transaction; psycopg's `transaction()` would commit it."""
    return not connection.autocommit and connection.info.transaction_status is TransactionStatus.IDLE


def _check_no_pipeline(connection: AsyncConnection | psycopg.Connection[Any]) -> None:
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        raise ChancyError(
            "The connection is in pipeline mode, in which PostgreSQL takes no COPY: call push_many outside the block "
            "of connection.pipeline(), or push the jobs one by one in it."
        )


def _in_utf8(connection: AsyncConnection | psycopg.Connection[Any], flow: Flow[T]) -> Flow[T]:
    """The same flow, for which text goes over the wire as UTF-8, whatever the caller's connection is set to."""
    theirs = connection.pgconn.parameter_status(b"client_encoding")
    return flow if theirs in (_UTF8, None) else _with_utf8(connection, theirs.decode(), flow)


def _with_utf8(connection: AsyncConnection | psycopg.Connection[Any], theirs: str, flow: Flow[T]) -> Flow[T]:
    # In a transaction it is set for that only: should this fail, the caller's rollback takes it back.
    local = not connection.autocommit or connection.info.transaction_status is not TransactionStatus.IDLE
    yield _encoding("UTF8", local=local)
    try:
        result = yield from flow
    except BaseException:
        if connection.info.transaction_status is not TransactionStatus.INERROR:
            yield _encoding(theirs, local=local)
        raise
    yield _encoding(theirs, local=local)
    return result


def _encoding(name: str, *, local: bool) -> Query:
    return Query(f"SELECT set_config('client_encoding', '{name}', {local})".encode())
