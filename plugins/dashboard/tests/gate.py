"""A way to the database that can be closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Gate:
    """Passes on what connects to it, unless it is shut.

    Args:
        dsn: where the database is.
    """

    def __init__(self, dsn: str) -> None:
        self._parts = conninfo_to_dict(dsn)
        self._dsn = dsn
        self._server: Any = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def dsn(self) -> str:
        """The database, through the gate."""
        return make_conninfo(self._dsn, host="127.0.0.1", hostaddr="127.0.0.1", port=self._port)

    async def open(self) -> None:
        """Let through whoever comes."""
        self._server = await asyncio.start_server(self._came, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Let nobody through, and cut whoever is."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = str(self._parts.get("host") or "localhost"), self._parts.get("port") or 5432
        if host.startswith("/"):
            theirs = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            theirs = await asyncio.open_connection(host, int(port))
        self._writers += [writer, theirs[1]]
        for source, sink in ((reader, theirs[1]), (theirs[0], writer)):
            task = asyncio.create_task(_pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
