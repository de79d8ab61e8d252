"""The plugin's statements, on a connection that the caller holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

import psycopg
from psycopg.sql import Composable, Identifier, Literal

from chancy import State
from chancy.plugin import Statements
from chancy_pruner.policy import OUTCOMES, Retention

SQL: Final = Statements("chancy_pruner.sql")
Connection: TypeAlias = psycopg.AsyncConnection[Any]


class Partition(NamedTuple):
    """A partition as it was when it was listed.

    Attributes:
        state: the outcome.
        name: the table's, without its schema.
        from_at: its lower bound; None: open, or the default partition.
        to_at: its upper bound, exclusive; None: as above.
        is_default: whether it takes what no other does.
        bytes: its size, without indexes.
        pages: its size in PostgreSQL's pages.
        row_estimate: by PostgreSQL's own statistics; -1: there are none yet.
        now: the database's time at the listing.
    """

    state: str
    name: str
    from_at: datetime | None
    to_at: datetime | None
    is_default: bool
    bytes: int
    pages: int
    row_estimate: int
    now: datetime


class Range(NamedTuple):
    """A partition to be made: its name and its bounds."""

    name: str
    from_at: datetime
    to_at: datetime


class PrunerStore:
    """The statements in one schema."""

    def __init__(self, schema: str, connection: Connection) -> None:
        self._schema = schema
        self.connection: Final = connection

    async def partitions(self) -> list[Partition]:
        """Every partition of the outcomes, in the order of their times, the default ones last."""
        async with self.connection.transaction():
            await self._rows("read_clock")
            rows = await SQL.dicts(
                self.connection, self._schema, "list_partitions", schema=self._schema, states=list(OUTCOMES)
            )
            return [Partition(**row) for row in rows]

    async def set_timeouts(self, *, lock_s: float, statement_s: float) -> None:
        """For the transaction: how long to wait for a lock, and how long a statement may take; 0: no end."""
        await self._rows("set_timeouts", lock_ms=_ms(lock_s), statement_ms=_ms(statement_s))

    # -- making ----------------------------------------------------------------------------

    async def read_default(self, state: State, since_at: datetime) -> tuple[int, int, datetime | None]:
        """The default partition's rows, those since a time, and the latest time."""
        ((rows, since, latest),) = await self._rows("read_default", **self._names(state), since_at=since_at)
        return rows, since, latest

    async def clock(self) -> datetime:
        """The database's time at this very moment."""
        ((clock,),) = await self._rows("read_time")
        found: datetime = clock
        return found

    async def lock_parent(self, state: State) -> None:
        """Be the only one who makes partitions of an outcome, until the transaction ends."""
        await self._rows("lock_parent", **self._names(state))

    async def lock_default(self, state: State) -> None:
        """Be the only one who uses its default partition, until the transaction ends."""
        await self._rows("lock_default", **self._names(state))

    async def create(self, state: State, one: Range) -> None:
        """Make a table that can become a partition."""
        await self._rows("create_partition", **self._names(state, one))
        await self._rows("keep_old_rows", **self._names(state, one))

    async def move_rows(self, state: State, one: Range) -> int:
        """Move what belongs into it out of the default partition. Returns how many rows."""
        ((moved,),) = await self._rows("move_rows", **self._names(state, one))
        return int(moved)

    async def attach(self, state: State, ranges: Sequence[Range]) -> None:
        """Make adjoining tables partitions, with one reading of the default partition."""
        whole = Range("", ranges[0].from_at, ranges[-1].to_at)
        await self._rows("close_default", **self._names(state, whole))
        for one in ranges:
            await self._rows("attach_partition", **self._names(state, one))
            await self._rows("drop_bounds", **self._names(state, one))
        await self._rows("open_default", **self._names(state))

    # -- pruning ---------------------------------------------------------------------------

    async def drop(self, state: State, partition: str) -> None:
        """Drop a partition, in a transaction of the caller's."""
        await self._rows("lock_parent_alone", **self._names(state))
        await self._rows("lock_partition", partition=Identifier(partition))
        await self._rows("drop_partition", partition=Identifier(partition))

    async def sweep(
        self, retention: Retention, partition: str, from_page: int, to_page: int, limit: int
    ) -> dict[str, int]:
        """Delete up to `limit` jobs that are due from some pages. Returns how many, by rule."""
        rows = await self._rows(
            "sweep",
            partition=Identifier(partition),
            state=retention.state,
            from_page=f"({from_page},0)",
            to_page=f"({to_page},0)",
            shortest_s=retention.shortest_s,
            limit=limit,
            **retention.arguments(),
        )
        return dict(rows)

    async def may_publish_deletes(self, partition: str, *, lock_s: float) -> bool:
        """Let deletes from a partition be published. Returns False if somebody has decided otherwise for it."""
        rows = await self._rows("read_identity", schema=self._schema, partition=partition)
        if not rows or rows[0][0] != "d":
            return False
        async with self.connection.transaction():
            await self.set_timeouts(lock_s=lock_s, statement_s=0)
            await self._rows("keep_old_rows", partition=Identifier(partition))
        return True

    async def count_due(self, retention: Retention, partition: str, share: float) -> dict[str, int]:
        """How many jobs are due in `share` per cent of a partition's pages, by rule."""
        rows = await self._rows(
            "count_due",
            partition=Identifier(partition),
            state=retention.state,
            shortest_s=retention.shortest_s,
            share=share,
            **retention.arguments(),
        )
        return dict(rows)

    async def count_rows(self, partition: str, share: float) -> int:
        """How many rows are in `share` per cent of a partition's pages."""
        ((count,),) = await self._rows("count_rows", partition=Identifier(partition), share=share)
        return int(count)

    # -- helpers ---------------------------------------------------------------------------

    @staticmethod
    def _names(state: State, one: Range | None = None) -> dict[str, Composable]:
        names: dict[str, Composable] = {
            "parent": Identifier(f"finished_{state}"),
            "default": Identifier(f"finished_{state}_default"),
        }
        if one is not None:
            names |= {
                "partition": Identifier(one.name),
                "from_at": Literal(one.from_at.isoformat()),
                "to_at": Literal(one.to_at.isoformat()),
            }
        return names

    async def _rows(self, query: str, /, **params: Any) -> list[Any]:
        return await SQL.rows(self.connection, self._schema, query, **params)


def _ms(length_s: float) -> str:
    return str(int(length_s * 1000))
