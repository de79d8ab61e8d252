"""`Limits`: the plugin."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import psycopg

from chancy import Chancy, Queue, Worker
from chancy.errors import ConfigError
from chancy.plugin import (
    Budget,
    Finding,
    Migration,
    Plugin,
    Statements,
    Tick,
    check_seconds,
    hookimpl,
    log,
    read_migrations,
)
from chancy_limits.allowance import Allowance
from chancy_limits.findings import find

NAME: Final = "limits"
INTERVAL_MIN_S: Final = 0.01
INTERVAL_MAX_S: Final = 86_400.0
SQL: Final = Statements("chancy_limits.sql")
# A claim holds a queue's lock for a few milliseconds. If a worker has waited in vain for much longer, its holder was
# stopped, or there is a crowd: it lets its other queues have their turn.
BUSY_PAUSE_S: Final = 0.05


class Limits(Plugin):
    """Enforces `rate_limit` and `global_concurrency`, exactly, whatever the number of workers.

    Claims from one limited queue follow each other: each holds the queue's lock from asking to its commit. Other queues
    have other locks.

    Attributes:
        interval: seconds between two sweeps of starts that no longer count.
    """

    name = NAME
    enforces: ClassVar[frozenset[str]] = frozenset({"rate_limit", "global_concurrency"})
    leader_only = True

    interval: float | None = 600.0

    def __post_init__(self) -> None:
        """Check the interval."""
        check_seconds("interval", self.interval, INTERVAL_MIN_S, INTERVAL_MAX_S)
        self._schema = ""
        # That of the workers which it limits.
        self._started_for = ""

    @hookimpl
    async def on_open(self, chancy: Chancy) -> None:
        """Learn which schema this is: whoever claims without a worker, as a test does, has to know it, too."""
        self._schema = self._schema or chancy.settings.schema

    @hookimpl
    async def on_start(self, worker: Worker) -> None:
        """Learn the schema."""
        schema = worker.chancy.settings.schema
        if self._started_for not in ("", schema):
            raise ConfigError("one Limits object serves two Chancy objects: give each its own.")
        self._schema = self._started_for = schema

    @hookimpl
    async def claim_budget(self, queue: Queue, wanted: int, connection: psycopg.AsyncConnection[Any]) -> Budget:
        """What the queue's limits leave now, under the queue's lock."""
        try:
            await self._run(connection, "lock_queue", lock=f"chancy.limits {self._schema} {queue.name}")
        except psycopg.errors.LockNotAvailable:
            return Budget(0, again_in_s=BUSY_PAUSE_S)
        room = await self._room(connection, queue.name)
        if room is None:
            # It was deleted just now; the worker will hear of it.
            return Budget(0)
        budget = room.budget(wanted)
        if room.may_start is None:
            return budget

        async def taken(count: int) -> None:
            await self._run(connection, "record_starts", queue=queue.name, count=count)

        return Budget(budget.count, budget.again_in_s, taken)

    @hookimpl
    async def findings(self, chancy: Chancy) -> list[Finding]:
        """Places that are taken by runs whose workers are lost."""
        return await find(chancy)

    @hookimpl
    async def on_tick(self, tick: Tick) -> None:
        """Forget starts that no longer count."""
        async with tick.connection() as connection:
            await SQL.rows(connection, tick.schema, "sweep_starts")

    @hookimpl
    def migrations(self) -> list[Migration]:
        """The table of starts."""
        return read_migrations(NAME, "chancy_limits.migrations")

    async def _room(self, connection: psycopg.AsyncConnection[Any], queue: str) -> Allowance | None:
        """What the queue's limits leave now; None: there is no such queue."""
        rows = await self._run(connection, "read_room", queue=queue)
        if rows and rows[0][-1]:
            pulled = await self._run(connection, "pull_starts", queue=queue)
            log.warning(
                "starts_pulled",
                queue=queue,
                count=sum(count for (count,) in pulled),
                hint="They lay in the future: the database's clock was set back. They count from now.",
            )
            rows = await self._run(connection, "read_room", queue=queue)
        return Allowance(*rows[0][:-1]) if rows else None

    async def _run(self, connection: psycopg.AsyncConnection[Any], name: str, **params: Any) -> list[tuple[Any, ...]]:
        return await SQL.rows(connection, self._schema, name, **params)
