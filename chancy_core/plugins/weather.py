"""Whether a hook failed by the plugin's doing, or because the database could not just then."""

from __future__ import annotations

from typing import Final

import psycopg

from chancy_core.store.weather import ConnectionGone, Fault, fault_of, notify_queue_full

READ_ONLY: Final = "25006"
# States of the server and of what others do there, by the beginning of the SQLSTATE. Unlike a statement of the kernel,
# one of a plugin may be wrong; so this list names what is nobody's fault, and everything else is the plugin's.
_STATES: Final = (
    "08",  # the connection was lost
    READ_ONLY,  # an old primary after a fail-over, or a setting
    "25P03",  # the server ended a transaction, or a session, that did nothing for too long …
    "25P04",
    "28",
    "3D",
    "40001",
    "40P01",
    "53",  # no connections, no memory, no space left
    "55006",
    "55P03",  # a lock
    "57",  # stopping, starting, or a time-out of the server's
    "58",
)


class HookPutOff(Exception):  # noqa: N818 -- it says what happened
    """The database was not there for a hook, which is nobody's fault: it is called again soon."""


class LostInHook(ConnectionGone):
    """The connection was lost while a hook had it, and it was not the hook that closed it."""


def is_outage(error: BaseException) -> bool:
    """Whether an error that a hook raised is the database's state, and not the plugin's doing."""
    if isinstance(error, HookPutOff):
        return True
    fault = fault_of(error)
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate.startswith(_STATES) or notify_queue_full(error)
    return fault is Fault.GONE


def has_lost(connection: psycopg.AsyncConnection[object], error: BaseException) -> bool:
    """Whether a connection is of no more use after a hook that had it raised this."""
    # One that the plugin has closed itself is its own doing; and what it raises may come from another database.
    return connection.broken or (getattr(error, "sqlstate", None) == READ_ONLY and not connection.closed)
