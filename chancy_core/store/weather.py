"""Weather: what a failure of the database means. It is read once, here, from the connection and the SQLSTATE.

The Python class of an error does not say it: psycopg raises an OperationalError for a lost server, for a lock that
could not be had and for a disk that is full, and an InternalError for a server that has become read-only. SQLSTATEs are
those of the PostgreSQL manual, appendix A.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.errors import DatabaseUnavailable
from chancy_core.store.cures import cure
from chancy_core.store.flow import AsyncConnection, Connection

# A duty of a worker waits no longer than this part of its lease for an answer, and never gives up sooner than that.
PARTS_OF_LEASE: Final = 3
DEADLINE_MIN_S: Final = 5.0


class Fault(Enum):
    """What a failure means, and so what follows."""

    GONE = "gone"
    """The connection is of no more use: close it, open another, ask again. What became of the statement is unknown."""
    NOT_NOW = "not now"
    """The server cannot, for the moment: keep everything, and wait."""
    TOO_MUCH = "too much"
    """The batch cannot be written as it is: halve it, until what is left goes through."""
    THIS_ONE = "this one"
    """The same for a single row: something in it cannot be stored."""


class ConnectionGone(psycopg.OperationalError):
    """A connection was lost, or given up because nothing came from it."""


class NoAnswer(ConnectionGone):
    """Nothing came for so long that the connection was given up: the peer is gone, or the statement took too long."""


# By the beginning of the SQLSTATE. What data is at fault for may cost data; a state of the server never does.
_GONE: Final = (
    "08",  # connection exceptions
    "0A000",  # mostly a plan that was made before a migration; another session makes another
    "24",  # the session is in a state that somebody left behind …
    "25",  # … or is read-only: an old primary after a fail-over, or a setting; another connection finds the new one
    "26",
    "28",
    "34",
    "3B",
    "3D",
    "57P",  # shut down, crashed, starting, dropped
)
_DATA: Final = (
    "09",
    "20",
    "21",
    "22",  # values
    "23",  # constraints
    "27",
    "2F",
    "38",
    "39",
    "40002",
    "44",
    "53400",
    "54",  # size
    "P0",  # what a trigger raises
    "XX000",
)
# The routines that raise 54000 because the queue of notifications is full, which is the listeners' fault.
_NOTIFY_ROUTINES: Final = frozenset({"asyncQueueAddEntries", "PreCommit_Notify"})


def fault_of(error: BaseException, *, rows: int = 1) -> Fault | None:
    """What an error means that was raised while so many rows were written, or anything else was asked.

    Returns:
        None: it says nothing about the database; a programming error, most likely.
    """
    data = Fault.TOO_MUCH if rows > 1 else Fault.THIS_ONE
    if isinstance(error, DatabaseUnavailable):
        return Fault.GONE
    if isinstance(error, UnicodeError | OverflowError):
        # psycopg could not write a value.
        return data
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate is None:
        # libpq's own, which lost the connection or cannot use it; or again psycopg, which could not write a value.
        return Fault.GONE if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) else data
    if error.sqlstate.startswith(_GONE):
        return Fault.GONE
    return data if error.sqlstate.startswith(_DATA) and not notify_queue_full(error) else Fault.NOT_NOW


def notify_queue_full(error: BaseException) -> bool:
    """Whether the server refused a statement only because its queue of notifications is full."""
    return (
        isinstance(error, psycopg.errors.ProgramLimitExceeded)
        and error.sqlstate == "54000"
        and error.diag.source_function in _NOTIFY_ROUTINES
    )


def is_weather(error: BaseException) -> bool:
    """Whether an error is to be waited out: the database is out of reach, or cannot for the moment."""
    return fault_of(error) in (Fault.GONE, Fault.NOT_NOW)


def of_no_use(connection: AsyncConnection | Connection) -> bool:
    """Whether a connection cannot be used again."""
    return connection.closed or connection.broken or connection.info.transaction_status is TransactionStatus.ACTIVE


def text_of(error: BaseException) -> str:
    """One line for a log, never an empty one; and what to do about it, where that is known."""
    lines = str(error).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    told = cure(error)
    return line if told is None else f"{line.rstrip('.')}. {told}"


def deadline_s(lease_s: float) -> float:
    """How long a worker with this lease waits for a sign of life of the database, in seconds."""
    return max(lease_s / PARTS_OF_LEASE, DEADLINE_MIN_S)
