"""Looks at the whole, for people: what waits in each queue, and how the database is."""

from __future__ import annotations

from typing import Final

import msgspec

from chancy_core.store.flow import Flow
from chancy_core.store.store import Store

# Counting a million rows takes a third of a second. Whoever has more wants to know that it is very many.
COUNTED_MAX: Final = 1_000_000

# Nobody reads a longer list of names, and nobody who presses a key waits for those of all jobs.
SUGGESTED_MAX: Final = 50
SUGGESTED_OF: Final = 5000


class Waiting(msgspec.Struct, frozen=True):
    """The live jobs of one queue.

    Attributes:
        counts: how many there are, by state.
        oldest_s: for how long the one has waited that could be run the longest, in seconds; None: none waits.
    """

    counts: dict[str, int] = {}
    oldest_s: float | None = None


class Live(msgspec.Struct, frozen=True):
    """The live jobs of a schema.

    Attributes:
        queues: those of each queue that has any, by its name.
        exact: whether all of them were counted.
    """

    queues: dict[str, Waiting]
    exact: bool


class DatabaseLook(msgspec.Struct, frozen=True):
    """The server and the database.

    Attributes:
        version: of PostgreSQL.
        database: its name.
        read_only: whether nothing can be written there now.
        size_bytes: the database on disk.
        connections: how many clients are connected to the server.
        connections_max: how many may be.
        oldest_transaction_s: for how long the oldest snapshot of this database has been held; None: none is, or this
            role may not see it.
        notify_queue: how full the queue of notifications is, from 0 to 1.
        behind_s: how old what a standby shows is, in seconds, 0 if it has all it was sent; None: it is none, or has
            replayed no transaction yet.
    """

    version: str
    database: str
    read_only: bool
    size_bytes: int
    connections: int
    connections_max: int
    oldest_transaction_s: float | None
    notify_queue: float
    behind_s: float | None = None


def look_at_live(store: Store, most: int = COUNTED_MAX) -> Flow[Live]:
    """What waits and runs in each queue. Reads at most so many rows."""
    rows = yield store.query("look_at_live", most=most)
    queues: dict[str, Waiting] = {}
    for queue, state, count, oldest_s in rows:
        before = queues.get(queue, Waiting())
        queues[queue] = Waiting(
            {**before.counts, state: count}, before.oldest_s if oldest_s is None else max(oldest_s, 0.0)
        )
    return Live(queues, sum(count for _, _, count, _ in rows) < most)


def look_at_database(store: Store) -> Flow[DatabaseLook]:
    """How the server and the database are."""
    (row,) = yield store.query("look_at_database")
    return DatabaseLook(*row)


def suggest_names(store: Store, kind: str, prefix: str) -> Flow[list[str]]:
    """Names that begin like this, for a shell to complete.

    Args:
        store: the names of the schema.
        kind: `queue`, or `func`.
        prefix: how they begin.
    """
    rows = yield store.query("suggest_names", kind=kind, prefix=prefix, most=SUGGESTED_MAX, looked=SUGGESTED_OF)
    return [name for (name,) in rows]
