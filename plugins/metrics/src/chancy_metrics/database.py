"""Read the database, cheaply at any size."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import errors

from chancy.plugin import Statements
from chancy_metrics.reading import Reading

SQL: Final = Statements("chancy_metrics.sql")
# Each statement gives up after this; what it would have said is missing then, and nothing else.
STATEMENT_MS: Final = 2000
# Sizes need a lock that waits behind whoever alters or drops a table; others would wait behind us.
LOCK_MS: Final = 300
# A sample of so many pages is read in some milliseconds, and is within about 5 % (one part in the root of 500).
SAMPLE_PAGES: Final = 500
# How many priorities of a queue, and how many jobs of each, are looked at for the oldest.
LEVELS: Final = 16
HEADS: Final = 50

# The statements that count, and the states whose jobs they find.
COUNTS: Final = {
    "count_pending": ("pending",),
    "count_later": ("scheduled", "retrying"),
    "count_running": ("running",),
}

Connection = psycopg.AsyncConnection[Any]
Depths = dict[tuple[str, str], float]


class Reader:
    """Reads one schema.

    Args:
        schema: its name.
        limit: how many jobs are counted one by one; beyond that, their number is estimated.
    """

    def __init__(self, schema: str, limit: int) -> None:
        self._schema: Final = schema
        self._limit: Final = limit

    async def read(self, connection: Connection) -> Reading:
        """Look once.

        Raises:
            psycopg.Error: the database is out of reach, or refuses something other than for its duration.
        """
        start = time.monotonic()
        queues = [name for (name,) in await self._ask(connection, "read_queues") or []]
        depths = await self._depths(connection, queues)
        oldest = await self._ask(connection, "oldest_runnable", levels=LEVELS, heads=HEADS)
        sizes = await self._ask(connection, "read_sizes") or []
        ((transaction_s, horizon),) = await self._ask(connection, "oldest_transaction") or [(None, None)]
        return Reading(
            queues=queues,
            depths=depths,
            oldest_s={} if oldest is None else dict.fromkeys(queues, 0.0) | {queue: max(s, 0.0) for queue, s in oldest},
            sizes_bytes={table: size for table, size, _ in sizes if size is not None},
            dead_rows={table: rows for table, _, rows in sizes if rows is not None},
            transaction_s=transaction_s,
            horizon=horizon,
            took_s=time.monotonic() - start,
        )

    async def _depths(self, connection: Connection, queues: list[str]) -> Depths:
        """Counted as far as the limit goes, and from a sample where it does not."""
        depths: Depths = {}
        beyond = False
        for name, states in COUNTS.items():
            rows = await self._ask(connection, name, limit=self._limit)
            if rows is None:
                beyond = True
                continue
            depths |= {(queue, state): 0 for queue in queues for state in states}
            depths |= {(queue, state): count for queue, state, count in rows}
            counts = [count for *_, count in rows]
            beyond |= (max(counts, default=0) if name == "count_pending" else sum(counts)) >= self._limit
        if beyond:
            for queue, state, estimate in await self._ask(connection, "sample_jobs", pages=SAMPLE_PAGES) or []:
                depths[queue, state] = self._better(depths, (queue, state), float(estimate))
        return depths

    def _better(self, depths: Depths, key: tuple[str, str], estimate: float) -> float:
        counted = depths.get(key)
        if counted is None:
            return round(estimate)
        # A queue that was counted to its end needs no estimate; only pending jobs have a limit for each queue.
        if key[1] == "pending" and counted < self._limit:
            return counted
        return max(counted, round(estimate))

    async def _ask(self, connection: Connection, name: str, **params: Any) -> list[tuple[Any, ...]] | None:
        """The rows of a statement, in a transaction of its own; None if it took too long."""
        limits = {"statement_ms": str(STATEMENT_MS), "lock_ms": str(LOCK_MS)}
        try:
            async with connection.transaction():
                await SQL.rows(connection, self._schema, "pin", **limits)
                return await SQL.rows(connection, self._schema, name, **params)
        except (errors.QueryCanceled, errors.LockNotAvailable):
            return None


def folded(depths: Mapping[tuple[str, str], float], label: Any) -> Depths:
    """The same by label instead of by queue."""
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    for (queue, state), count in depths.items():
        found[label(queue), state] += count
    return dict(found)
