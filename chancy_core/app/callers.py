"""Write in the transaction of whoever calls, whichever kind of connection it is on, and however that is set up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from chancy_core.app.handed import Found, Sync, connection_in, sync_connection_in
from chancy_core.app.others import AsyncOther, Other
from chancy_core.app.recipes import elsewhere, other_driver
from chancy_core.errors import ChancyError
from chancy_core.store import Flow, run, run_sync
from chancy_core.store.connect import where
from chancy_core.store.flow import AsyncConnection, Query

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

T = TypeVar("T")

_UTF8: Final = b"UTF8"


async def write_on(chancy: Chancy, given: Any, flow: Flow[T]) -> T:
    """Run a flow in the transaction of what a caller passed as `connection=`.

    Raises:
        InvalidConnection: it cannot be written on.
    """
    found = await connection_in(given)
    with _told_where(chancy, found):
        return await run_found(chancy, found, flow)


async def run_found(chancy: Chancy, found: Found, flow: Flow[T]) -> T:
    """Run a flow on a connection that was found in what a caller passed, whichever driver it is of."""
    if isinstance(found, AsyncOther):
        return await found.run(flow, chancy.store, where(chancy.dsn))
    if isinstance(found, Other):
        return found.run(flow, chancy.store, where(chancy.dsn))
    return await run_on(found, flow)


def write_on_sync(chancy: Chancy, given: Any, flow: Flow[T]) -> T:
    """As `write_on`, for code without asyncio."""
    found = sync_connection_in(given)
    with _told_where(chancy, found):
        return run_found_sync(chancy, found, flow)


def run_found_sync(chancy: Chancy, found: Sync, flow: Flow[T]) -> T:
    """As `run_found`, for code without asyncio."""
    if isinstance(found, Other):
        return found.run(flow, chancy.store, where(chancy.dsn))
    return run_on_sync(found, flow)


async def run_on(connection: AsyncConnection | psycopg.Connection[Any], flow: Flow[T]) -> T:
    """Run a flow on a connection, whichever kind it is."""
    flow = _in_utf8(connection, flow)
    if isinstance(connection, psycopg.AsyncConnection):
        return await run(connection, flow)
    return run_sync(connection, flow)


def run_on_sync(connection: psycopg.Connection[Any], flow: Flow[T]) -> T:
    """As `run_on`, for a sync connection."""
    return run_sync(connection, _in_utf8(connection, flow))


@asynccontextmanager
async def savepoint(chancy: Chancy, given: Any) -> AsyncIterator[AsyncConnection | psycopg.Connection[Any]]:
    """A savepoint in the caller's transaction, so that a push that fails leaves nothing behind in it."""
    async with savepoint_in(chancy, await connection_in(given)) as own:
        yield _of_psycopg(own)


@contextmanager
def savepoint_sync(chancy: Chancy, given: Any) -> Iterator[psycopg.Connection[Any]]:
    """As `savepoint`."""
    with savepoint_in_sync(chancy, sync_connection_in(given)) as own:
        yield _of_psycopg(own)


def _of_psycopg(found: Any) -> Any:
    if isinstance(found, Other | AsyncOther):
        raise other_driver(found.given, found.driver)
    return found


@asynccontextmanager
async def savepoint_in(chancy: Chancy, found: Found) -> AsyncIterator[Found]:
    """A savepoint on a connection that was found in what a caller gave, whichever driver it is of."""
    if isinstance(found, AsyncOther):
        async with found.savepoint():
            yield found
    elif isinstance(found, psycopg.AsyncConnection):
        _check_no_pipeline(found)
        with _told_where(chancy, found):
            if _has_yet_to_begin(found):
                await found.execute(b"SELECT")
            async with found.transaction():
                yield found
    else:
        with savepoint_in_sync(chancy, found) as own:
            yield own


@contextmanager
def savepoint_in_sync(chancy: Chancy, found: Sync) -> Iterator[Sync]:
    """As `savepoint_in`."""
    if isinstance(found, Other):
        with found.savepoint():
            yield found
        return
    _check_no_pipeline(found)
    with _told_where(chancy, found):
        if _has_yet_to_begin(found):
            found.execute(b"SELECT")
        with found.transaction():
            yield found


@contextmanager
def _told_where(chancy: Chancy, found: Found) -> Iterator[None]:
    """Whoever connects to another database than Chancy's hears of that, and not of tables that are missing."""
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName) as error:
        ours = where(chancy.dsn)
        raise elsewhere(getattr(found, "info", None), chancy.store.schema, ours) from error


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
