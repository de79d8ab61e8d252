"""A way to the database that can fall silent: what is sent is acknowledged, and never answered again."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

PORT = 5432


class Way:
    """Forwards connections to a database.

    Attributes:
        dsn: the database by this way.
    """

    def __init__(self, dsn: str) -> None:
        self._to = conninfo_to_dict(dsn)
        self._flows: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.dsn = ""

    def silence(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """From now on nothing comes through on this connection."""
        with socket.socket(fileno=os.dup(connection.fileno())) as shared:
            self._flows[shared.getsockname()[1]].clear()

    def silence_all(self) -> None:
        """The same for every connection that there is by now."""
        for flows in self._flows.values():
            flows.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = str(self._to.get("host") or "localhost"), int(self._to.get("port") or PORT)
        if host.startswith("/"):
            back = await asyncio.open_unix_connection(str(Path(host) / f".s.PGSQL.{port}"))
        else:
            back = await asyncio.open_connection(host, port)
        flows = asyncio.Event()
        flows.set()
        self._flows[writer.get_extra_info("peername")[1]] = flows
        for source, target, leaves in ((reader, back[1], True), (back[0], writer, False)):
            task = asyncio.create_task(self._forward(source, target, flows, leaves=leaves))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _forward(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, flows: asyncio.Event, *, leaves: bool
    ) -> None:
        """Forward one direction. A client that leaves takes the connection with it, silent or not."""
        with suppress(OSError):
            while data := await source.read(65536):
                if flows.is_set():
                    target.write(data)
                    await target.drain()
        if flows.is_set() or leaves:
            target.close()


@asynccontextmanager
async def way_to(dsn: str) -> AsyncIterator[Way]:
    """A way to a database, for the length of the block."""
    way = Way(dsn)
    server = await asyncio.start_server(way._accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    way.dsn = make_conninfo(dsn, host=host, port=port)
    try:
        yield way
    finally:
        server.close()
        for task in way._tasks:
            task.cancel()
