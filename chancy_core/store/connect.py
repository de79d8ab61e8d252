"""How connections are opened, and what every one of them has."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chancy_core.errors import DatabaseUnavailable
from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.flow import AsyncConnection, Connection
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

    Raises:
        DatabaseUnavailable: `dsn` is not a connection string.
    """
    try:
        given = conninfo_to_dict(dsn)
    except (psycopg.Error, UnicodeDecodeError) as error:
        # libpq's own message repeats the string, and with it the password in it.
        raise DatabaseUnavailable(
            f"The DSN is not a PostgreSQL connection string ({type(error).__name__}). Give one such as "
            "postgresql://user:password@host:5432/database."
        ) from None
    ours: dict[str, str | int] = {
        "application_name": application_name,
        "connect_timeout": connect_timeout_s,
        **KEEPALIVES,
    }
    settings: dict[str, Any] = {**ours, **given}
    return make_conninfo("", **settings)


def where(dsn: str) -> str:
    """The server a DSN names, without its secrets."""
    parts = conninfo_to_dict(dsn)
    host = parts.get("host") or parts.get("hostaddr") or "the default host"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{host}{port}, database {parts.get('dbname') or parts.get('user') or 'of the same name as the user'}"


def unavailable(dsn: str, error: BaseException) -> DatabaseUnavailable:
    """The error for a connection that could not be made."""
    return DatabaseUnavailable(
        f"Cannot connect to PostgreSQL at {where(dsn)}: {text_of(error).rstrip('.')}. Check that the server runs "
        "and that the DSN (Chancy(dsn=…), CHANCY_DSN, or dsn in chancy.toml) is right."
    )


def check_server(connection: AsyncConnection | Connection, dsn: str) -> None:
    """Raise DatabaseUnavailable unless the server is recent enough."""
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"The server at {where(dsn)} is PostgreSQL {version}: Chancy needs {OLDEST_SERVER} or newer."
        )


# psycopg reads times in this form only, and what a database or a role shows by default is somebody else's choice.
_READABLE_TIMES: Final = b"SET DateStyle = ISO"


def _shows_other_times(connection: AsyncConnection | Connection) -> bool:
    return not (connection.info.parameter_status("DateStyle") or "ISO").startswith("ISO")


async def configure(connection: AsyncConnection) -> None:
    """Set on a new connection what its statements rely on."""
    if _shows_other_times(connection):
        await connection.execute(_READABLE_TIMES)


def configure_sync(connection: Connection) -> None:
    """As `configure`."""
    if _shows_other_times(connection):
        connection.execute(_READABLE_TIMES)


def connection_options(*, pooler: bool) -> dict[str, Any]:
    """What psycopg is told of every connection."""
    # A prepared statement lives in a session, and behind a transaction pooler the next transaction may have another.
    return {"autocommit": True, "prepare_threshold": None if pooler else 5}


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
    connection.deadline_s = deadline_s
    try:
        check_server(connection, dsn)
        await configure(connection)
    except BaseException:
        await connection.close()
        raise
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
    connection.deadline_s = deadline_s
    try:
        check_server(connection, dsn)
        configure_sync(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def callers_connection(connection: Any) -> AsyncConnection | Connection:
    """The psycopg connection in what a caller passed as `connection=`: itself, or its cursor's.

    Raises:
        TypeError: it is neither.
    """
    found = getattr(connection, "connection", connection)
    if isinstance(found, psycopg.AsyncConnection | psycopg.Connection):
        return found
    raise TypeError(
        f"connection is {type(connection).__name__}: give a psycopg 3 connection or cursor. From "
        "SQLAlchemy: session.connection().connection.driver_connection; from Django: connection.connection."
    )
