"""A worker's connection that also listens: between the other things that it is used for, so that it needs no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from chancy_core.log import log
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.session import WorkerConnection


class ListeningConnection(WorkerConnection):
    """In use, psycopg finds the notifications among the answers; between uses, the loop watches its socket.

    Args:
        channel: the channel of the schema.
        hear: called with the payload of each notification, and with None after each connection is
            made, because anything may have been missed before.
        connection: see `WorkerConnection`.
    """

    def __init__(self, channel: str, hear: Callable[[str | None], None], **connection: Any) -> None:
        super().__init__(**connection)
        self._channel = channel
        self._hear = hear
        self._deaf = asyncio.Event()

    async def listen(self) -> None:
        """Listen until the connection is lost.

        Raises:
            OperationalError: it was.
            DatabaseUnavailable: it could not be made.
        """
        async with self._held():
            pass
        await self._deaf.wait()
        raise psycopg.OperationalError("the connection that listens was lost")

    async def close(self) -> None:
        """Close it; a later use opens it again."""
        if self._connection is not None:
            self._unwatch(self._connection)
        await super().close()

    async def close_if_idle(self) -> None:
        """As for any connection; but this one is needed while nobody uses it, so that `listen` opens it again."""
        if not self._lock.locked() and self._connection is not None:
            await self.close()
            self._deaf.set()

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[AsyncConnection]:
        async with super()._held() as connection:
            self._unwatch(connection)
            try:
                yield connection
            finally:
                self._watch(connection)

    async def _open(self) -> AsyncConnection:
        before = self._connection
        connection = await super()._open()
        if connection is not before:
            connection.add_notify_handler(lambda notification: self._hear(notification.payload))
            try:
                await connection.execute(f'LISTEN "{self._channel}"'.encode())
            except BaseException:
                await self.close()
                raise
            self._deaf.clear()
            log.debug("listening", channel=self._channel)
            self._hear(None)
        return connection

    def _watch(self, connection: AsyncConnection) -> None:
        if connection.closed:
            self._deaf.set()
        else:
            asyncio.get_running_loop().add_reader(connection.fileno(), self._read, connection)

    @staticmethod
    def _unwatch(connection: AsyncConnection) -> None:
        if not connection.closed:
            asyncio.get_running_loop().remove_reader(connection.fileno())

    def _read(self, connection: AsyncConnection) -> None:
        """Something has arrived while nobody asked: notifications, or the end of the connection."""
        socket = connection.fileno()
        try:
            connection.pgconn.consume_input()
            while notification := connection.pgconn.notifies():
                self._hear(notification.extra.decode(errors="replace"))
        except psycopg.OperationalError:
            asyncio.get_running_loop().remove_reader(socket)
            connection.pgconn.finish()
            self._deaf.set()
