"""What work costs whatever the machine's mood is: log, statements, round trips, dead rows, index entries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from benchmarks.database import Bench

# Records of the log by what they say happened. A split of a page inserts an entry as well.
RECORDS = {
    "index_entries": ("Btree/INSERT_LEAF", "Btree/INSERT_POST", "Btree/SPLIT_L", "Btree/SPLIT_R", "Hash/INSERT"),
    "dead_rows": ("Heap/DELETE", "Heap/UPDATE", "Heap/HOT_UPDATE"),
}
SETTLED_S = 0.5


class Proxy:
    """Stands between clients and the server, and counts how often a client speaks after the server did.

    Attributes:
        host: the folder of its socket, to be given to clients as the host.
        round_trips: since the last reading.
    """

    def __init__(self, host: Path, server: tuple[str, int]) -> None:
        self.host = host
        self.round_trips = 0
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._server
        if host.startswith("/"):
            to_server = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            to_server = await asyncio.open_connection(host, port)
        heard = [True]

        async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, asks: bool) -> None:
            with suppress(OSError):
                while data := await source.read(1 << 18):
                    if asks and heard[0]:
                        self.round_trips += 1
                    heard[0] = not asks
                    target.write(data)
                    await target.drain()
            target.close()

        await asyncio.gather(forward(reader, to_server[1], asks=True), forward(to_server[0], writer, asks=False))


@asynccontextmanager
async def proxy(dsn: str, folder: Path) -> AsyncIterator[Proxy]:
    parts = conninfo_to_dict(dsn)
    host, port = str(parts.get("host", "localhost")), int(parts.get("port") or 5432)
    found = Proxy(folder, (host, port))
    server = await asyncio.start_unix_server(found.serve, folder / f".s.PGSQL.{port}")
    try:
        yield found
    finally:
        server.close()


class Meter:
    """Reads what one database was asked since the last reading."""

    def __init__(self, bench: Bench, database: str) -> None:
        self._bench = bench
        self._database = database
        self._lsn = ""

    async def start(self) -> None:
        """Forget what was before."""
        await asyncio.sleep(SETTLED_S)
        await self._bench.admin.execute("SELECT pg_stat_statements_reset()")
        self._lsn = await self._bench.one("SELECT pg_current_wal_insert_lsn()")

    async def statements(self) -> float:
        counted = """
            SELECT coalesce(sum(calls), 0) FROM pg_stat_statements AS statement
            JOIN pg_database ON pg_database.oid = dbid WHERE datname = %s
            """
        return float(await self._bench.one(counted, [self._database]))

    async def read(self) -> Mapping[str, float]:
        found = await self._records()
        counts = {what: sum(found.get(name, (0, 0))[0] for name in names) for what, names in RECORDS.items()}
        # Without the images of whole pages, whose number depends on when the last checkpoint was.
        wal_bytes = sum(size for _, size in found.values())
        return {"wal_bytes": wal_bytes, "statements": await self.statements(), **counts}

    async def _records(self) -> dict[str, tuple[int, int]]:
        """How many records of the log there are of each kind, and their bytes."""
        end = await self._bench.one("SELECT pg_current_wal_flush_lsn()")
        if not await self._bench.one("SELECT %s::pg_lsn > %s::pg_lsn", [end, self._lsn]):
            return {}
        rows = await self._bench.admin.execute(
            """
            SELECT "resource_manager/record_type", count, record_size
            FROM pg_get_wal_stats(%s, %s, per_record => true) WHERE count > 0
            """,
            [self._lsn, end],
        )
        return {name: (int(count), int(size)) for name, count, size in await rows.fetchall()}


@asynccontextmanager
async def metered(bench: Bench, database: str) -> AsyncIterator[Meter]:
    """Count the statements of connections to a database that are opened in this block."""
    for extension in ("pg_stat_statements", "pg_walinspect"):
        await bench.admin.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    await bench.admin.execute(f"ALTER DATABASE {database} SET pg_stat_statements.track = 'top'")
    try:
        yield Meter(bench, database)
    finally:
        await bench.admin.execute(f"ALTER DATABASE {database} RESET pg_stat_statements.track")
