"""The database that everything is measured on: a private server, or CHANCY_BENCH_DSN."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks.peers.catalog import Catalog
from chancy import Chancy, Job, Plugin
from chancy_core.testing.server import throwaway_server

Connection = psycopg.AsyncConnection[Any]

# Room for fifty idle workers of anybody, memory that a server has, and checkpoints that do not fall into every second
# drain. Statements are counted where a scenario says so, which costs, and nowhere else.
SETTINGS = {
    "max_connections": "1000",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "wal_keep_size": "2GB",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",
}


@contextmanager
def server() -> Iterator[str]:
    """The DSN of the server."""
    # The embedded server is set up for development, and takes no settings of others.
    with (
        patch.dict("chancy_core.embedded.cluster._SETTINGS", SETTINGS),
        throwaway_server("CHANCY_BENCH_DSN", "chancy-bench-") as dsn,
    ):
        yield dsn


@dataclass(frozen=True)
class Batch:
    """Jobs that are looked at together: ids grow with time, so they lie between the first and the last."""

    first: uuid.UUID
    last: uuid.UUID
    count: int

    @property
    def ends(self) -> dict[str, uuid.UUID]:
        return {"first": self.first, "last": self.last}


class Bench:
    """What scenarios share.

    Attributes:
        dsn: the database.
        quick: smaller numbers, so that all of it takes less than three minutes.
        sustained_s: how long `sustained` pushes and runs at once.
        admin: an autocommitting connection for everything that is not measured.
        peers: who is measured beside us.
    """

    def __init__(self, dsn: str, admin: Connection, peers: Catalog, *, quick: bool) -> None:
        self.dsn = dsn
        self.admin = admin
        self.peers = peers
        self.quick = quick
        self.sustained_s = 120.0

    @classmethod
    @asynccontextmanager
    async def opened(cls, dsn: str, peers: Catalog, *, quick: bool) -> AsyncIterator[Bench]:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
            bench = cls(dsn, admin, peers, quick=quick)
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                if (value := await bench.one(f"SHOW {setting}")) != "on":
                    raise SystemExit(f"{setting} is {value}: numbers without durability compare with nothing.")
            await admin.execute("SET client_min_messages = error")
            yield bench

    @property
    def database(self) -> str:
        """The name of the database that is ours."""
        return str(conninfo_to_dict(self.dsn).get("dbname", "postgres"))

    def url(self, database: str, host: str | None = None) -> str:
        """The DSN of another database of this server, in the one form that every driver reads."""
        parts = conninfo_to_dict(self.dsn)
        user = quote(str(parts.get("user", "")), safe="")
        if parts.get("password"):
            user += ":" + quote(str(parts["password"]), safe="")
        host, port = host or str(parts.get("host", "localhost")), str(parts.get("port", 5432))
        if host.startswith("/"):
            return f"postgresql://{user}@/{database}?host={host}&port={port}"
        return f"postgresql://{user}@{host}:{port}/{database}"

    async def one(self, sql: str, params: Any = None) -> Any:
        row = await (await self.admin.execute(sql, params)).fetchone()
        return row[0] if row else None

    async def row(self, sql: str, params: Any = None) -> tuple[Any, ...]:
        row = await (await self.admin.execute(sql, params)).fetchone()
        assert row is not None
        return tuple(row)

    @asynccontextmanager
    async def schema(self, name: str, plugins: Sequence[Plugin] = ()) -> AsyncIterator[Chancy]:
        """A schema of its own, with an open Chancy, for the length of the block."""
        schema = f"bench_{name}"
        await self.admin.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        try:
            async with Chancy(self.dsn, schema=schema, discover=False, plugins=plugins) as chancy:
                await chancy.migrate()
                yield chancy
        finally:
            await self.admin.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    async def level(self, chancy: Chancy) -> None:
        """The same start for everyone: nothing left to vacuum, and a checkpoint just behind us."""
        schema = chancy.settings.schema
        await self.admin.execute(f"VACUUM (ANALYZE) {schema}.jobs")
        with suppress(psycopg.errors.InsufficientPrivilege):
            await self.admin.execute("CHECKPOINT")

    async def clear(self, chancy: Chancy) -> None:
        schema = chancy.settings.schema
        await self.admin.execute(f"TRUNCATE {schema}.jobs, {schema}.finished_jobs")

    async def empty(self, chancy: Chancy) -> None:
        """As new, for what only pushes."""
        await self.clear(chancy)
        await self.level(chancy)

    async def wal_bytes(self) -> float:
        return float(await self.one("SELECT pg_current_wal_insert_lsn() - '0/0'"))


async def push(chancy: Chancy, jobs: list[Job]) -> Batch:
    references = await chancy.push_many("default", jobs)
    return Batch(references[0].identifier, references[-1].identifier, len(references))
