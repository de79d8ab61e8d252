"""An application's connections: pools, with asyncio and without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import psycopg
import psycopg_pool

from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.connect import (
    CONNECT_TIMEOUT_S,
    configure,
    configure_sync,
    connection_options,
    conninfo,
    unavailable,
)
from chancy_core.store.flow import AsyncConnection, Connection, Flow, run, run_sync, run_sync_with, sync_cursor_of

T = TypeVar("T")


def _pool_options(max_size: int, *, pooler: bool) -> dict[str, Any]:
    # Nothing is connected before it is needed: many processes push now and then, or never.
    return {
        "min_size": 0,
        "max_size": max_size,
        "open": False,
        "kwargs": connection_options(pooler=pooler),
        "timeout": CONNECT_TIMEOUT_S * 2,
    }


class Pool:
    """An application's connections, with asyncio. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        self._dsn = dsn
        self._pool: psycopg_pool.AsyncConnectionPool[BoundedAsyncConnection] = psycopg_pool.AsyncConnectionPool(
            conninfo(dsn, application_name=application_name),
            connection_class=BoundedAsyncConnection,
            configure=configure,
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


class SyncPool:
    """An application's connections, without asyncio. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        self._dsn = dsn
        self._pool: psycopg_pool.ConnectionPool[BoundedConnection] = psycopg_pool.ConnectionPool(
            conninfo(dsn, application_name=application_name),
            connection_class=BoundedConnection,
            configure=configure_sync,
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

    def _taken(self) -> BoundedConnection:
        try:
            return self._pool.getconn()
        except psycopg_pool.PoolTimeout as error:
            raise unavailable(self._dsn, error) from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in a transaction that commits at the end of the block."""
        with self.connection() as connection, connection.transaction():
            yield connection
