"""Await a plugin's coroutine so that it can neither outlast its time nor hold whoever waits for it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import types
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, Final, TypeVar

import psycopg
from psycopg import capabilities, generators, pq, waiting

from chancy_core.plugins.weather import HookPutOff

T = TypeVar("T")

# How long what was cancelled may take to notice. psycopg asks the server to end the statement, and waits for that.
LETS_GO_WITHIN_S: Final = 5.0

# The loop itself holds tasks weakly.
_left: Final[set[asyncio.Task[Any]]] = set()


class HookAbandoned(TimeoutError):  # noqa: N818 -- it says what happened
    """A hook's time was over, it was cancelled, and it goes on all the same: nobody waits for it any longer."""


async def _nothing() -> bool:
    return False


async def within(
    seconds: float,
    call: Callable[[], Awaitable[T]],
    held: Callable[[float], None],
    hindered: Callable[[], Awaitable[bool]] = _nothing,
) -> T:
    """Await `call()`, in a task of its own, for so many seconds.

    Args:
        seconds: after so many it is cancelled.
        call: makes what is awaited.
        held: told of the longest time for which it held the event loop, in seconds.
        hindered: asked, when the time is over, whether it is the database that it waits for.

    Raises:
        HookPutOff: it took too long, because it was hindered.
        HookAbandoned: it goes on although it was cancelled, because its time was over, or because the caller was.
        TimeoutError: it took too long.
        BaseException: what it raised itself, SystemExit and KeyboardInterrupt included.
    """
    task = asyncio.ensure_future(_caught(call, held))
    put_off = False
    try:
        await asyncio.wait({task}, timeout=seconds)
        # While it still waits: afterwards nobody could tell what for.
        put_off = not task.done() and await hindered()
    finally:
        in_time = task.done()
        if not in_time:
            await _let_go(task)
    result, error = task.result()
    if not in_time:
        raise HookPutOff("it waited for the database until its time was over") if put_off else TimeoutError from error
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # without an error it is what the call returned


async def _let_go(task: asyncio.Task[Any]) -> None:
    _left.add(task)
    task.add_done_callback(_left.discard)
    task.cancel()
    await asyncio.wait({task}, timeout=LETS_GO_WITHIN_S)
    if not task.done():
        raise HookAbandoned("it took too long, and goes on although it was cancelled")


async def _caught(
    call: Callable[[], Awaitable[T]], held: Callable[[float], None]
) -> tuple[T | None, BaseException | None]:
    """What a call returned, or raised: a task that raises SystemExit would end the loop."""
    try:
        return await _measured(call(), held), None
    except BaseException as error:  # noqa: BLE001 -- raised again where it can do no harm
        return None, error


@types.coroutine
def _measured(call: Awaitable[T], held: Callable[[float], None]) -> Generator[Any, Any, T]:
    """Await `call`, and tell `held` how long it kept the event loop from everything else, at the longest.

    A coroutine runs in steps: from one `await` that has to wait to the next. While a step runs, the loop does nothing
    else. So this takes the steps one by one, measures each, and passes on what it waits for.
    """
    steps = call.__await__()
    longest_s, thrown = 0.0, None
    try:
        while True:
            start = time.monotonic()
            try:
                waits_for = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                longest_s = max(longest_s, time.monotonic() - start)
            thrown = None
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 -- it is meant for the call
                thrown = error
    finally:
        held(longest_s)


async def cut(connection: psycopg.AsyncConnection[Any]) -> None:
    """End a connection that an abandoned hook may still use: for both sides it is lost, and its transaction undone.

    It is shut down rather than closed, so that whoever waits on it wakes up, and its number is not given to another
    connection meanwhile. The server notices when its statement ends, so it is asked to end that.
    """
    try:
        request = cancel_request(connection)
        with socket.socket(fileno=os.dup(connection.fileno())) as shared:
            shared.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        # It is closed already.
        return
    await send_cancel(request)


def cancel_request(connection: psycopg.AsyncConnection[Any]) -> pq.abc.PGcancelConn | None:
    """What asks the server to end a connection's statement, also once the connection is gone.

    None where libpq is older than 17: its way to ask holds the whole process until the peer has answered.
    """
    return connection.pgconn.cancel_conn() if capabilities.has_cancel_safe() else None


async def send_cancel(request: pq.abc.PGcancelConn | None) -> None:
    """Ask the server to end a statement for which nobody waits any longer; not for long, should it be out of reach."""
    if request is None:
        return
    # If it does not answer, its locks hold until it notices that its client is gone.
    with suppress(OSError, psycopg.Error):
        request.start()
        await waiting.wait_conn_async(generators.cancel(request), interval=0.1, timeout=LETS_GO_WITHIN_S)
