"""How connections are opened, and what every one of them has."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chancy_core.errors import DatabaseUnavailable
from chancy_core.store.adapters import adapters
from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.flow import AsyncConnection, Connection
from chancy_core.store.reasons import advice, wrong_in
from chancy_core.store.weather import text_of

OLDEST_SERVER: Final = 14
CONNECT_TIMEOUT_S: Final = 10
# A peer that vanished without a word is noticed after idle + interval * count seconds (PostgreSQL manual, "Connection
# Control Functions"), well within the lease of a worker.
KEEPALIVES: Final = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 12_000,
}


def conninfo(dsn: str, *, application_name: str, connect_timeout_s: int = CONNECT_TIMEOUT_S) -> str:
    """`dsn` with the settings that every connection of Chancy has, unless the DSN says otherwise.

    One of them is not for the DSN to say: text goes over the wire as UTF-8, whatever the database stores it as.

    Raises:
        DatabaseUnavailable: `dsn` is not a connection string.
    """
    try:
        given = conninfo_to_dict(dsn)
    except (psycopg.Error, UnicodeDecodeError) as error:
        raise DatabaseUnavailable(f"The DSN is not a PostgreSQL connection string{wrong_in(dsn, str(error))}") from None
    ours: dict[str, str | int] = {
        "application_name": application_name,
        "connect_timeout": connect_timeout_s,
        **KEEPALIVES,
    }
    settings: dict[str, Any] = {**ours, **given, "client_encoding": "UTF8"}
    return make_conninfo("", **settings)


def where(dsn: str) -> str:
    """The server a DSN names, without its secrets."""
    parts = conninfo_to_dict(dsn)
    host = parts.get("host") or parts.get("hostaddr") or "the default host"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{host}{port}, database {parts.get('dbname') or parts.get('user') or 'of the same name as the user'}"


def unavailable(dsn: str, error: BaseException) -> DatabaseUnavailable:
    """The error for a connection that could not be made."""
    text = text_of(error).rstrip(".")
    return DatabaseUnavailable(f"Cannot connect to PostgreSQL at {where(dsn)}: {text}. {advice(str(error))}")


def check_server(connection: AsyncConnection | Connection, dsn: str) -> None:
    """Raise DatabaseUnavailable unless the server is recent enough."""
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"The server at {where(dsn)} is PostgreSQL {version}: Chancy needs {OLDEST_SERVER} or newer."
        )


# What every statement of ours relies on, and what a database or a role may have another default for: psycopg reads
# times in this form only, and a statement expects to see what was committed before it began. Its answer names the
# session, so that it can be ended should its connection be lost.
_CONFIGURE: Final = b"""
SELECT set_config('DateStyle', 'ISO', false), set_config('default_transaction_isolation', 'read committed', false),
       pid, backend_start::text
FROM pg_stat_get_activity(pg_backend_pid())
"""
# Behind a pooler the session is somebody else's as well.
_READABLE_TIMES: Final = b"SET DateStyle = ISO"


def _shows_other_times(connection: AsyncConnection | Connection) -> bool:
    return not (connection.info.parameter_status("DateStyle") or "ISO").startswith("ISO")


def _named(connection: BoundedAsyncConnection | BoundedConnection, row: Any) -> None:
    if row is not None:
        connection.backend_pid, connection.backend_start = row[2] or 0, row[3] or ""


async def configure(connection: BoundedAsyncConnection, *, pooler: bool) -> None:
    """Set on a new connection what its statements rely on."""
    if not pooler:
        _named(connection, await (await connection.execute(_CONFIGURE)).fetchone())
        return
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    if _shows_other_times(connection):
        await connection.execute(_READABLE_TIMES)


def configure_sync(connection: BoundedConnection, *, pooler: bool) -> None:
    """As `configure`."""
    if not pooler:
        _named(connection, connection.execute(_CONFIGURE).fetchone())
        return
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    if _shows_other_times(connection):
        connection.execute(_READABLE_TIMES)


def connection_options(*, pooler: bool) -> dict[str, Any]:
    """What psycopg is told of every connection."""
    # A prepared statement lives in a session, and behind a transaction pooler the next transaction may have another.
    return {"autocommit": True, "prepare_threshold": None if pooler else 5, "context": adapters()}


async def connect(
    dsn: str,
    *,
    application_name: str,
    pooler: bool = False,
    connect_timeout_s: int = CONNECT_TIMEOUT_S,
    deadline_s: float | None = None,
) -> BoundedAsyncConnection:
    """One autocommitting connection of its own.

    Raises:
        DatabaseUnavailable: no server, wrong credentials, no such database, or a server too old.
    """
    info = conninfo(dsn, application_name=application_name, connect_timeout_s=connect_timeout_s)
    try:
        connection = await BoundedAsyncConnection.connect(info, **connection_options(pooler=pooler))
    except psycopg.Error as error:
        raise unavailable(dsn, error) from error
    _made(connection, connect_timeout_s)
    try:
        check_server(connection, dsn)
        await configure(connection, pooler=pooler)
    except BaseException as error:
        await connection.close()
        if isinstance(error, psycopg.Error):
            raise unavailable(dsn, error) from error
        raise
    connection.deadline_s = deadline_s
    return connection


def connect_sync(
    dsn: str,
    *,
    application_name: str,
    pooler: bool = False,
    connect_timeout_s: int = CONNECT_TIMEOUT_S,
    deadline_s: float | None = None,
) -> BoundedConnection:
    """As `connect`, for code without asyncio."""
    info = conninfo(dsn, application_name=application_name, connect_timeout_s=connect_timeout_s)
    try:
        connection = BoundedConnection.connect(info, **connection_options(pooler=pooler))
    except psycopg.Error as error:
        raise unavailable(dsn, error) from error
    _made(connection, connect_timeout_s)
    try:
        check_server(connection, dsn)
        configure_sync(connection, pooler=pooler)
    except BaseException as error:
        connection.close()
        if isinstance(error, psycopg.Error):
            raise unavailable(dsn, error) from error
        raise
    connection.deadline_s = deadline_s
    return connection


def _made(connection: BoundedAsyncConnection | BoundedConnection, timeout_s: float) -> None:
    connection.opened_at = time.monotonic()
    connection.backend_pid, connection.backend_start = 0, ""
    # What is asked of a new connection is a part of connecting.
    connection.deadline_s = timeout_s
    _OURS.add(connection)


# -- fork ----------------------------------------------------------------------------------

# Every connection of this process that has not been collected yet.
_OURS: Final[WeakSet[BoundedAsyncConnection | BoundedConnection]] = WeakSet()
# In a child: those of its parent. They are kept, because collecting them would close what is not theirs any more.
_PARENTS: Final[list[Any]] = []


def _disown() -> None:
    """In a child of a fork: let go of the sockets that it shares with its parent, so that nothing is written there."""
    inherited, nowhere = list(_OURS), -1
    _OURS.clear()
    _PARENTS.extend(inherited)
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for connection in inherited:
            # The number stays taken, so that nothing else is given it, and leads nowhere.
            with suppress(OSError, psycopg.Error):
                os.dup2(nowhere, connection.pgconn.socket, inheritable=False)
    if nowhere >= 0:
        os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
