"""Where the jobs of the demo are: a schema of its own, at which one can look afterwards."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from chancy_core.app import Chancy
from chancy_core.config import Settings, load_settings
from chancy_core.errors import ChancyError
from chancy_core.store import run
from chancy_core.store.connect import connect
from chancy_core.store.migrate import migrate

SCHEMA = "chancy_demo"


@asynccontextmanager
async def empty_schema(dsn: str) -> AsyncIterator[None]:
    """The demo's schema to itself, and without what an earlier one left there."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SET client_min_messages = error")
        cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [SCHEMA])
        if await cursor.fetchone() != (True,):
            raise ChancyError("another one is running. Wait for it to end, and start this one again.")
        await connection.execute(f'DROP SCHEMA IF EXISTS "{SCHEMA}" CASCADE'.encode())
        await _make_all_tables(dsn)
        yield


async def _make_all_tables(dsn: str) -> None:
    """Make the tables of every installed plugin: a command that looks here afterwards loads them all."""
    # One that cannot be loaded keeps nobody from the demo, which makes the tables that it needs itself.
    with suppress(ChancyError):
        settings: Any = Settings(dsn=dsn, schema=SCHEMA)
        wanted = Chancy(config=settings).migrations()
        async with await connect(dsn, application_name="chancy demo") as connection:
            await run(connection, migrate(SCHEMA, wanted))


def how_to_look() -> str:
    """What to type to look at the jobs afterwards; nothing, where a command would look into another database."""
    with suppress(ChancyError):
        if load_settings().dsn is None:
            program = "chancy" if shutil.which("chancy") else str(Path(sys.executable).with_name("chancy"))
            typed = shlex.join([program, "--schema", SCHEMA, "jobs", "state:failed"])
            return f"\nTo look at those that failed: {typed}"
    return ""
