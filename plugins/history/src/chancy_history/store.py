"""What is written to the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import errors

from chancy.plugin import Statements
from chancy_history.recorder import Counted, Name, rows_of

SQL: Final = Statements("chancy_history.sql")
# Counting an index to here takes some ten milliseconds; a longer queue is known to be long.
DEPTH_MOST: Final = 100_000
# The upkeep is not worth more: what could not be done is done a minute later.
STATEMENT_MS: Final = 5000
LOCK_MS: Final = 300

Connection = psycopg.AsyncConnection[Any]


class Writing(NamedTuple):
    """What a process writes at once. Written again, because the answer was lost, it counts once.

    Attributes:
        writer: the process.
        number: which of its writings this is; they grow.
        taken: what was counted.
        within_s: in how many seconds until it was taken.
    """

    writer: str
    number: int
    taken: Mapping[Name, Counted]
    within_s: float


async def add(connection: Connection, schema: str, writing: Writing) -> None:
    """Write what was counted, unless that is there already."""
    writer, number, taken, within_s = writing
    rows = json.dumps(rows_of(taken))
    await SQL.rows(connection, schema, "add_counts", writer=writer, number=number, rows=rows, within_s=within_s)


async def read_unwritten(connection: Connection, schema: str, owner: str, late_s: float) -> float | None:
    """For how many seconds runs have ended of which nothing is written; None: everything is, or soon will be."""
    rows = await SQL.rows(connection, schema, "read_unwritten", owner=owner, late_s=late_s)
    return float(rows[0][0]) if rows else None


async def keep_up(connection: Connection, schema: str, minutes_s: int, hours_s: int) -> None:
    """Keep how many jobs wait, make hours of minutes, and delete what is old; unless another worker is at it."""
    for name, params in (
        ("sample_depths", {"most": DEPTH_MOST}),
        ("roll_hours", {}),
        ("roll_totals", {}),
        ("forget", {"minutes_s": minutes_s, "hours_s": hours_s}),
    ):
        try:
            async with connection.transaction():
                await SQL.rows(connection, schema, "limit_time", statement_ms=str(STATEMENT_MS), lock_ms=str(LOCK_MS))
                ((ours,),) = await SQL.rows(connection, schema, "lock_upkeep", name=schema)
                if not ours:
                    return
                await SQL.rows(connection, schema, name, **params)
        except (errors.QueryCanceled, errors.LockNotAvailable):
            # Nothing is deleted that has not become hours: the next round does it in this order.
            return
