"""The connections of a pool that nobody uses at the moment."""

from __future__ import annotations

import select
import time
from typing import Final, Generic, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection

C = TypeVar("C", BoundedAsyncConnection, BoundedConnection)

# Nobody has needed it for so long: the server has better uses for it.
IDLE_MAX_S: Final = 600
# What a session has gathered in memory goes with it, and whoever stands between may have wanted it elsewhere.
LIFETIME_S: Final = 3600


class Idle(Generic[C]):
    """A stack: the one that was used last is used next, so that the others may go. For any number of threads."""

    def __init__(self) -> None:
        self._stack: list[C] = []

    def take(self) -> C | None:
        """One that is not known to be lost, if there is any."""
        while True:
            try:
                connection = self._stack.pop()
            except IndexError:
                return None
            if time.monotonic() - connection.opened_at < LIFETIME_S and _is_quiet(connection):
                return connection
            close(connection)

    def put(self, connection: C) -> None:
        """Keep one for the next who needs it, if it can be used again."""
        # Asked of libpq itself: psycopg's answer is made anew each time, and this is asked after each push.
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            # Somebody left a transaction open, or a statement in flight: the server ends both with the session. Of one
            # that is closed, the status is unknown.
            close(connection)
            return
        connection.idle_since = time.monotonic()
        connection.deadline_s = None
        self._stack.append(connection)

    def drop(self) -> None:
        """Close them all: one like them turned out to be lost, or to lead to a server that is not the right one."""
        while self._stack:
            try:
                close(self._stack.pop())
            except IndexError:
                return

    def drop_unused(self) -> float | None:
        """Close those that nobody has needed for long.

        Returns:
            In how many seconds there may be more of them; None: there are none left.
        """
        while self._stack:
            try:
                left_s = self._stack[0].idle_since + IDLE_MAX_S - time.monotonic()
                if left_s > 0:
                    return left_s
                close(self._stack.pop(0))
            except IndexError:
                break
        return None


def close(connection: BoundedAsyncConnection | BoundedConnection) -> None:
    """Close it at once, whatever it is in the middle of."""
    connection.pgconn.finish()


def _is_quiet(connection: BoundedAsyncConnection | BoundedConnection) -> bool:
    """Whether nothing has come from the server since, which to an idle session would mostly tell of its end."""
    try:
        poll = select.poll()
        poll.register(connection.pgconn.socket, select.POLLIN)
        return not poll.poll(0)
    except (psycopg.Error, OSError):
        return False
