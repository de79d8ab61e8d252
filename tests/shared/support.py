"""What several tests use."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from chancy_core.testing.fixtures import WITHIN_S
from chancy_core.testing.fixtures import wait_until as until

__all__ = ["IMPORT_PATH", "SHARED", "WITHIN_S", "captured_events", "lock_tables", "until"]

# What these folders hold, their job functions above all, for processes that tests start.
SHARED: Final = Path(__file__).parent
IMPORT_PATH: Final = os.pathsep.join([str(SHARED), str(SHARED.parents[1])])


@contextmanager
def captured_events(level: int = logging.DEBUG) -> Iterator[list[dict[str, Any]]]:
    """The structured events that are logged inside the block, with their level."""
    events: list[dict[str, Any]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            events.append({"event": record.event, "log_level": record.levelname.lower(), **record.fields})

    logger = logging.getLogger("chancy")
    handler, before = Handler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield events
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


async def lock_tables(connection: psycopg.AsyncConnection[Any], schema: str, *tables: LiteralString) -> None:
    """Lock several tables a worker uses, until the transaction ends.

    It never waits for one while it holds another: a worker's statements take the same locks in their own order, and
    PostgreSQL would end one of the two as a deadlock.
    """
    names = sql.SQL(", ").join(sql.Identifier(schema, table) for table in tables)
    while True:
        try:
            await connection.execute(sql.SQL("LOCK TABLE {} NOWAIT").format(names))
        except psycopg.errors.LockNotAvailable:
            await connection.rollback()
            await asyncio.sleep(0.01)
        else:
            return
