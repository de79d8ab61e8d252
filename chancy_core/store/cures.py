"""What to do about a failure of the database, by its SQLSTATE: the words of the server say what it is, and stop there.

`reasons` has the same for connections that could not be made, for which there is no SQLSTATE.
"""

from __future__ import annotations

from typing import Final

import psycopg

_DISK: Final = (
    "Free space on the disk of the database server, or make it larger: old WAL that a replication slot or a failing "
    "archive_command holds back, and finished jobs that nobody prunes, are what fills it most often"
)
_POOL: Final = (
    "Close connections, raise max_connections (or the limit of the role or of the database), lower pool_max_size, or "
    "put a pooler before the server"
)
_RIGHTS: Final = (
    "Give the role of the DSN the rights (GRANT USAGE ON SCHEMA, and SELECT, INSERT, UPDATE, DELETE on the tables in "
    "it), or use the role that ran `chancy migrate`"
)
_MIGRATE: Final = "Run `chancy migrate`, with the same schema and database as this process has"
_POOLER: Final = "If a pooler stands between, set pooler = true: docs/how-to/pgbouncer.md says what that changes"
_DEVICE: Final = "Look into the server's log and its disks: this is a failure of the machine, not of a statement"
_CORRUPT: Final = (
    "Stop writing, look into the server's log, and restore from a backup, or ask somebody who knows PostgreSQL well: "
    "data on its disk is damaged"
)
_LOCK: Final = (
    "Somebody holds a lock: SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock' shows who waits, and "
    "pg_blocking_pids(pid) for whom"
)
_AGAIN: Final = "Nothing was done: do it again, in a transaction of its own"

# By the beginning of the SQLSTATE, the longer ones first.
_CURES: Final = {
    "53100": _DISK,
    "53200": (
        "Give the server more memory, or lower work_mem, shared_buffers or max_connections: the log of the server and "
        "of the kernel (out of memory) say which it was"
    ),
    "53300": _POOL,
    "53400": "Raise the limit in the server's configuration that the message names",
    "53": "The server has run out of something: its log says of what",
    "57014": (
        "If nobody cancelled it, it took longer than statement_timeout allows: raise that for this role or database, "
        "or look for what makes it slow, such as a lock or a table that was not vacuumed"
    ),
    "57P01": "Somebody stopped the server or ended the session: it is tried again when the server is there",
    "57P02": "A process of the server crashed and it starts anew: look into its log",
    "57P03": "The server starts, stops or recovers: try again shortly",
    "57P04": "Somebody dropped the database: restore it, or correct the DSN",
    "57P05": "Raise idle_session_timeout for this role, or set it to 0",
    "55P03": _LOCK,
    "55006": _LOCK,
    "40001": _AGAIN,
    "40P01": f"Two transactions waited for each other. {_AGAIN}",
    "25006": (
        "This server takes no changes, as an old primary or a standby does: name every host in the DSN, with "
        "target_session_attrs=read-write, so that the primary is found"
    ),
    "25P02": "A statement before it failed in this transaction: roll it back, and look for that first failure",
    "25P03": "The transaction was open and idle for longer than idle_in_transaction_session_timeout: keep it short",
    "25P04": "The transaction took longer than transaction_timeout: keep it short, or raise that",
    "42501": _RIGHTS,
    "42P01": _MIGRATE,
    "42703": _MIGRATE,
    "42883": _MIGRATE,
    "3F000": _MIGRATE,
    "3D000": "Create the database (createdb), or correct its name in the DSN",
    "28": "Check the user and the password in the DSN (or PGUSER, PGPASSWORD, .pgpass), and the server's pg_hba.conf",
    "26000": _POOLER,
    "42P05": _POOLER,
    "08P01": _POOLER,
    "58": _DEVICE,
    "XX001": _CORRUPT,
    "XX002": _CORRUPT,
    "F0000": "Mend the server's configuration: its log says which line",
}
_BY_LENGTH: Final = sorted(_CURES, key=len, reverse=True)


def cure(error: BaseException) -> str | None:
    """What to do about an error of the database, a sentence or two without the last stop; None: nobody knows."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if state is None:
        return None
    return next((_CURES[beginning] for beginning in _BY_LENGTH if state.startswith(beginning)), None)


def with_cure(error: BaseException) -> BaseException:
    """The same error, which says what to do about it in a note: tracebacks and logs show it below the message."""
    told = cure(error)
    if told is not None and f"{told}." not in getattr(error, "__notes__", ()):
        error.add_note(f"{told}.")
    return error
