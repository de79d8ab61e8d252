"""Connections: how they are opened, what is set on them, and what their failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import psycopg
import psycopg_pool
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from chancy_core.errors import DatabaseUnavailable
from chancy_core.store.flow import AsyncConnection, Connection, Flow, run, run_sync, run_sync_with, sync_cursor_of

T = TypeVar("T")

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
# What a worker pins on its own connections. The statements of a queue are planned against statistics that are always
# stale; with one join method and no scans of whole tables there is one plan left, which is right at every size. And so
# it need not be made anew for each claim, which the planner would choose to do.
PINNED: Final = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "enable_memoize": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}

# What a worker sets where plugins take part in a claim. A worker that was stopped in the middle holds what they locked:
# the server ends its session after a time that every hook, whatever it waits for, stays within. And claims from all
# limited queues of a worker take turns, so that none of them may wait for a lock for long.
WITH_PLUGINS: Final = {"idle_in_transaction_session_timeout": "3s", "lock_timeout": "250ms"}


def conninfo(dsn: str, *, application_name: str) -> str:
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
        "connect_timeout": CONNECT_TIMEOUT_S,
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
        f"Cannot connect to PostgreSQL at {where(dsn)}: {_first_line(error)}. Check that the server runs "
        "and that the DSN (Chancy(dsn=…), CHANCY_DSN, or dsn in chancy.toml) is right."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


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


async def _configure(connection: AsyncConnection) -> None:
    if _shows_other_times(connection):
        await connection.execute(_READABLE_TIMES)


def _configure_sync(connection: Connection) -> None:
    if _shows_other_times(connection):
        connection.execute(_READABLE_TIMES)


def _connection_options(*, pooler: bool) -> dict[str, Any]:
    # A prepared statement lives in a session, and behind a transaction pooler the next transaction may have another.
    return {"autocommit": True, "prepare_threshold": None if pooler else 5}


def _pool_options(max_size: int, *, pooler: bool) -> dict[str, Any]:
    # Nothing is connected before it is needed: many processes push now and then, or never.
    return {
        "min_size": 0,
        "max_size": max_size,
        "open": False,
        "kwargs": _connection_options(pooler=pooler),
        "timeout": CONNECT_TIMEOUT_S * 2,
    }


async def connect(dsn: str, *, application_name: str, pooler: bool = False) -> AsyncConnection:
    """One autocommitting connection of its own.

    Raises:
        DatabaseUnavailable: no server, wrong credentials, no such database, or a server too old.
    """
    info = conninfo(dsn, application_name=application_name)
    try:
        connection = await psycopg.AsyncConnection.connect(info, **_connection_options(pooler=pooler))
    except psycopg.Error as error:
        raise unavailable(dsn, error) from error
    check_server(connection, dsn)
    await _configure(connection)
    return connection


def connect_sync(dsn: str, *, application_name: str, pooler: bool = False) -> Connection:
    """As `connect`, for code without asyncio."""
    info = conninfo(dsn, application_name=application_name)
    try:
        connection = psycopg.Connection.connect(info, **_connection_options(pooler=pooler))
    except psycopg.Error as error:
        raise unavailable(dsn, error) from error
    check_server(connection, dsn)
    _configure_sync(connection)
    return connection


class Pool:
    """An application's connections, with asyncio. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        self._dsn = dsn
        self._pool: psycopg_pool.AsyncConnectionPool[AsyncConnection] = psycopg_pool.AsyncConnectionPool(
            conninfo(dsn, application_name=application_name),
            configure=_configure,
            **_pool_options(max_size, pooler=pooler),
        )

    async def open(self) -> None:
        """Open the pool. Nothing is connected yet."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for the length of the block."""
        try:
            connection = await self._pool.getconn()
        except psycopg_pool.PoolTimeout as error:
            raise unavailable(self._dsn, error) from error
        try:
            yield connection
        finally:
            await asyncio.shield(self._pool.putconn(connection))

    async def check(self) -> None:
        """Replace the connections that are lost."""
        await self._pool.check()

    async def run(self, flow: Callable[[], Flow[T]]) -> T:
        """Run a flow; if the connection turns out to be lost, replace it and run the flow once more."""
        try:
            async with self.connection() as connection:
                return await run(connection, flow())
        except psycopg.OperationalError:
            await self.check()
            async with self.connection() as connection:
                return await run(connection, flow())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that commits at the end of the block."""
        async with self.connection() as connection, connection.transaction():
            yield connection


class _SyncConnection(psycopg.Connection[Any]):
    """A connection that keeps the cursor of its single pushes, of which nothing but a row or two is left over."""

    push_cursor: psycopg.Cursor[TupleRow] | None = None


class SyncPool:
    """An application's connections, without asyncio. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        self._dsn = dsn
        self._pool: psycopg_pool.ConnectionPool[_SyncConnection] = psycopg_pool.ConnectionPool(
            conninfo(dsn, application_name=application_name),
            connection_class=_SyncConnection,
            configure=_configure_sync,
            **_pool_options(max_size, pooler=pooler),
        )

    def open(self) -> None:
        """Open the pool. Nothing is connected yet."""
        self._pool.open()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the length of the block."""
        connection = self._taken()
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def run(self, flow: Callable[[], Flow[T]]) -> T:
        """Run a flow; if the connection turns out to be lost, replace it and run the flow once more."""
        try:
            with self.connection() as connection:
                return run_sync(connection, flow())
        except psycopg.OperationalError:
            self._pool.check()
            with self.connection() as connection:
                return run_sync(connection, flow())

    def push(self, flow: Flow[T], again: Callable[[], Flow[T]]) -> T:
        """Run the flow of a single push; if the connection turns out to be lost, replace it and run `again`."""
        connection = self._taken()
        try:
            if connection.push_cursor is None:
                connection.push_cursor = sync_cursor_of(connection)
            return run_sync_with(connection.push_cursor, flow)
        except psycopg.OperationalError:
            pass
        finally:
            self._pool.putconn(connection)
        self._pool.check()
        with self.connection() as other:
            return run_sync(other, again())

    def _taken(self) -> _SyncConnection:
        try:
            return self._pool.getconn()
        except psycopg_pool.PoolTimeout as error:
            raise unavailable(self._dsn, error) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in a transaction that commits at the end of the block."""
        with self.connection() as connection, connection.transaction():
            yield connection


class WorkerConnection:
    """A worker's connection for one duty: opened when needed, reopened after a failure, plans pinned.

    Behind a transaction pooler the settings cannot stay on a session, so each use carries them in
    its own transaction.

    Args:
        dsn: where the database is.
        application_name: what the database shows it as.
        pooler: whether a transaction pooler stands between.
        settings: more settings than the pinned plans.
    """

    def __init__(
        self,
        dsn: Callable[[], str],
        *,
        application_name: str,
        pooler: bool,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._dsn = dsn
        self._name = application_name
        self._pooler = pooler
        self._settings = {**PINNED, **(settings or {})}
        self._connection: AsyncConnection | None = None
        self._lock = asyncio.Lock()

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow with pinned plans, each statement on its own."""
        async with self._held() as connection:
            if not self._pooler:
                return await run(connection, flow)
            async with connection.transaction():
                await self._pin(connection, local=True)
                return await run(connection, flow)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction with pinned plans."""
        async with self._held() as connection, connection.transaction():
            if self._pooler:
                await self._pin(connection, local=True)
            yield connection

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[AsyncConnection]:
        """The connection, for one user at a time."""
        async with self._lock:
            yield await self._open()

    async def close(self) -> None:
        """Close it; a later use opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _open(self) -> AsyncConnection:
        if self._connection is None or self._connection.broken or self._connection.closed:
            self._connection = None
            connection = await connect(self._dsn(), application_name=self._name, pooler=self._pooler)
            if not self._pooler:
                await self._pin(connection, local=False)
            self._connection = connection
        return self._connection

    async def _pin(self, connection: AsyncConnection, *, local: bool) -> None:
        calls = ", ".join(f"set_config('{name}', '{value}', {local})" for name, value in self._settings.items())
        await connection.execute(f"SELECT {calls}".encode())


def lost(error: BaseException) -> bool:
    """Whether an error means that the database was out of reach: weather, to be waited out."""
    return isinstance(
        error,
        psycopg.OperationalError | psycopg.InterfaceError | DatabaseUnavailable | TimeoutError | OSError,
    )


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
