"""One truth for sync and async: a flow says which statements to run; a driver runs them on a connection.

A flow is a generator. It yields a `Query` (or another `Step`) and is sent the rows; what it returns is the
flow's result. It never sees the connection, so the same flow runs on an application's own pool, on a
worker's connection and on the caller's transaction, with asyncio and without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg
from psycopg.copy import AsyncLibpqWriter
from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus
from psycopg.rows import TupleRow

from chancy_core.store.adapters import OurAsyncCursor, OurCursor

T = TypeVar("T")


class Query(NamedTuple):
    """A statement and its parameters; answered with its rows, if it has any.

    Attributes:
        text: the statement.
        params: its parameters, by name.
        ending: whether jobs end by it, or come back, so that somebody may want to hear of its rows; see `Hearing`.
    """

    text: bytes
    params: Mapping[str, Any] = {}
    ending: bool = False


class CopyIn(NamedTuple):
    """A COPY … FROM STDIN and its data, in parts that are made as they are sent; answered with no rows."""

    text: bytes
    parts: Iterable[bytes]


class Pause(NamedTuple):
    """Nothing, so that an event loop gets its turn in a flow that computes for long; answered with no rows."""


class Inside(NamedTuple):
    """What somebody else does with the connection at this point of the flow; answered with what that returns.

    It is for flows with asyncio only.
    """

    call: Callable[[psycopg.AsyncConnection[Any]], Awaitable[list[TupleRow]]]


Step: TypeAlias = Query | CopyIn | Pause | Inside
Flow: TypeAlias = Generator[Step, list[TupleRow], T]
AsyncConnection: TypeAlias = psycopg.AsyncConnection[Any]
Connection: TypeAlias = psycopg.Connection[Any]


def cursor_of(connection: AsyncConnection) -> psycopg.AsyncCursor[TupleRow]:
    """A cursor for flows. One that is used again for the same statement is spared half of the preparations."""
    # The cursor's class is named, because a connection may make cursors with another parameter style.
    return OurAsyncCursor(connection)


def sync_cursor_of(connection: Connection) -> psycopg.Cursor[TupleRow]:
    """As `cursor_of`."""
    return OurCursor(connection)


async def run(connection: AsyncConnection, flow: Flow[T]) -> T:
    """Run a flow on an async connection."""
    async with cursor_of(connection) as cursor:
        return await run_with(cursor, flow)


async def run_with(cursor: psycopg.AsyncCursor[TupleRow], flow: Flow[T]) -> T:
    """Run a flow with a cursor of `cursor_of`."""
    return await drive(flow, partial(_answer, cursor))


async def drive(flow: Flow[T], answer: Callable[[Step], Awaitable[list[TupleRow]]]) -> T:
    """Run a flow whose steps are answered by `answer`."""
    try:
        step = next(flow)
        while True:
            try:
                rows = await answer(step)
            except BaseException as error:  # noqa: BLE001 -- the flow decides what it means
                step = flow.throw(error)
            else:
                step = flow.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result


def run_sync(connection: Connection, flow: Flow[T]) -> T:
    """Run a flow on a sync connection."""
    with sync_cursor_of(connection) as cursor:
        return run_sync_with(cursor, flow)


def run_sync_with(cursor: psycopg.Cursor[TupleRow], flow: Flow[T]) -> T:
    """Run a flow with a cursor of `sync_cursor_of`."""
    return drive_sync(flow, partial(_answer_sync, cursor))


def drive_sync(flow: Flow[T], answer: Callable[[Step], list[TupleRow]]) -> T:
    """As `drive`."""
    try:
        step = next(flow)
        while True:
            try:
                rows = answer(step)
            except BaseException as error:  # noqa: BLE001 -- the flow decides what it means
                step = flow.throw(error)
            else:
                step = flow.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result


async def _answer(cursor: psycopg.AsyncCursor[TupleRow], step: Step) -> list[TupleRow]:
    if isinstance(step, Query):
        await cursor.execute(step.text, step.params or None)
        return await cursor.fetchall() if _has_rows(cursor) or _in_pipeline(cursor) else []
    if isinstance(step, CopyIn):
        await _copy(cursor, step)
        return []
    if isinstance(step, Pause):
        await asyncio.sleep(0)
        return []
    return await step.call(cursor.connection)


def _in_pipeline(cursor: psycopg.AsyncCursor[TupleRow] | psycopg.Cursor[TupleRow]) -> bool:
    """Whether the answer has yet to be asked for: the connection is the caller's, who has put it into pipeline mode."""
    return cursor.pgresult is None and cursor.connection.pgconn.pipeline_status != PipelineStatus.OFF


def _has_rows(cursor: psycopg.AsyncCursor[TupleRow] | psycopg.Cursor[TupleRow]) -> bool:
    # Not `cursor.description`, which describes every column.
    return cursor.pgresult is not None and cursor.pgresult.status == ExecStatus.TUPLES_OK


async def _copy(cursor: psycopg.AsyncCursor[TupleRow], step: CopyIn) -> None:
    try:
        async with cursor.copy(step.text) as copy:
            for part in step.parts:
                await copy.write(part)
                # While the server reads what it has, the loop has other things to do.
                await asyncio.sleep(0)
    except asyncio.CancelledError as cancelled:
        # Cancelled while it begins, psycopg leaves the connection in the middle of a COPY that nobody ends.
        if cursor.connection.info.transaction_status is TransactionStatus.ACTIVE:
            async with cursor.connection.lock:
                await AsyncLibpqWriter(cursor).finish(cancelled)
        raise


def _answer_sync(cursor: psycopg.Cursor[TupleRow], step: Step) -> list[TupleRow]:
    if isinstance(step, Query):
        cursor.execute(step.text, step.params or None)
        return cursor.fetchall() if _has_rows(cursor) or _in_pipeline(cursor) else []
    if isinstance(step, CopyIn):
        with cursor.copy(step.text) as copy:
            for part in step.parts:
                copy.write(part)
        return []
    if isinstance(step, Pause):
        return []
    raise TypeError("A flow without asyncio cannot await.")
