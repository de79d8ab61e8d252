"""Connections on which no wait is for ever.

A peer can acknowledge and never answer: a proxy that has lost the server behind it, a server whose disk hangs. TCP
sees nothing wrong with that, and libpq has no bound for it. So every wait ends by itself when nothing has come for a
while, and the connection with it.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import TupleRow

from chancy_core.store.weather import NoAnswer

T = TypeVar("T")

# psycopg wakes up so often while nothing comes.
WAKES_EVERY_S: Final = 0.1
# Whoever is cancelled waits so long for the server to confirm that it has ended the statement.
CONFIRM_WITHIN_S: Final = 1.0


class _Overdue(Exception):  # noqa: N818 -- never leaves this file
    """Nothing came in time."""


def _bounded(waiting: Generator[Any, Any, T], deadline_s: float, fileno: int) -> Generator[Any, Any, T]:
    """The same steps, which end with _Overdue once nothing has been ready for so long.

    psycopg wakes up every WAKES_EVERY_S to look for Ctrl-C, and then sends what is ready: nothing. It begins to wait
    anew (and sends None) after it has asked the server to cancel the statement.
    """
    # The clock is not asked while something comes: nearly every answer is there before psycopg wakes up.
    quiet_since: float | None = None
    ready: Any = None
    begun = False
    while True:
        try:
            wants = waiting.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
        ready = yield wants
        if ready:
            quiet_since = None
        elif ready is None and begun:
            deadline_s = min(deadline_s, CONFIRM_WITHIN_S)
            quiet_since = None
            ready = 0
        else:
            now = time.monotonic()
            if quiet_since is None:
                quiet_since = now - WAKES_EVERY_S
            if now - quiet_since > deadline_s:
                # If it was this process that stood still, its timers come before what has arrived meanwhile.
                if not _is_ready(fileno):
                    raise _Overdue
                quiet_since = now
        begun = True


def _is_ready(fileno: int) -> bool:
    socket_now = select.poll()
    socket_now.register(fileno, select.POLLIN)
    return bool(socket_now.poll(0))


class _Deadline:
    """What both kinds have.

    Attributes:
        deadline_s: how long the server may be silent while somebody waits, in seconds; None: for ever.
        backend_pid: the server's process id for the session; 0: not asked, as behind a pooler.
        backend_start: when the server started it, as text, which with its process id names the session.
        opened_at: when it was made, by the monotonic clock.
        idle_since: when it was last given back to a pool, by the monotonic clock.
    """

    deadline_s: float | None = None
    backend_pid: int = 0
    backend_start: str = ""
    opened_at: float = 0.0
    idle_since: float = 0.0

    def cut(self: Any) -> None:
        """End the connection without a word to the server: whoever waits on it sees it as lost. From any thread."""
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as shared:
            # Shut down rather than closed: whoever waits wakes up, and nobody else is given its number meanwhile.
            shared.shutdown(socket.SHUT_RDWR)

    def _gave_up(self: Any) -> NoAnswer:
        self.pgconn.finish()
        return NoAnswer(f"no answer within {self.deadline_s:g} s: the connection was given up")


class BoundedAsyncConnection(_Deadline, psycopg.AsyncConnection[Any]):
    """An async connection with a `deadline_s`."""

    async def wait(self, gen: Any, *arguments: Any, **named: Any) -> Any:
        """As psycopg's. Raises NoAnswer when nothing has come for `deadline_s`."""
        if self.deadline_s is None:
            return await super().wait(gen, *arguments, **named)
        try:
            return await super().wait(_bounded(gen, self.deadline_s, self.pgconn.socket), *arguments, **named)
        except _Overdue:
            raise self._gave_up() from None

    async def _try_cancel(self, *, timeout: float = 5.0) -> None:
        """As psycopg's, which would wait for a dead peer for longer than anybody waits for who was cancelled."""
        await super()._try_cancel(timeout=timeout if self.deadline_s is None else min(timeout, CONFIRM_WITHIN_S))


class BoundedConnection(_Deadline, psycopg.Connection[Any]):
    """A sync connection with a `deadline_s`."""

    #: The cursor that is kept for single pushes, if there were any.
    push_cursor: psycopg.Cursor[TupleRow] | None = None

    def wait(self, gen: Any, *arguments: Any, **named: Any) -> Any:
        """As psycopg's. Raises NoAnswer when nothing has come for `deadline_s`."""
        if self.deadline_s is None:
            return super().wait(gen, *arguments, **named)
        try:
            return super().wait(_bounded(gen, self.deadline_s, self.pgconn.socket), *arguments, **named)
        except _Overdue:
            raise self._gave_up() from None
