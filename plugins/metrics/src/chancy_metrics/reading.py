"""What the database says of itself and of the queues, read at most once an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chancy.plugin import Gauge


@dataclass(frozen=True)
class Reading:
    """One look at the database.

    Attributes:
        queues: the declared queues.
        depths: jobs by (queue, state): exact up to the limit, estimated beyond it.
        oldest_s: seconds for which the oldest runnable job of a queue has been waiting.
        sizes_bytes: tables with their indexes, by name.
        dead_rows: dead rows that wait for vacuum, by table, as the statistics know them.
        transaction_s: age of the oldest open transaction that keeps vacuum from removing rows, 0 without one.
        horizon: how many transactions ago the oldest snapshot in use was taken.
        others: what other plugins tell of themselves.
        took_s: how long the reading took.
    """

    queues: list[str]
    depths: Mapping[tuple[str, str], float] = field(default_factory=dict)
    oldest_s: Mapping[str, float] = field(default_factory=dict)
    sizes_bytes: Mapping[str, float] = field(default_factory=dict)
    dead_rows: Mapping[str, float] = field(default_factory=dict)
    transaction_s: float | None = None
    horizon: float | None = None
    others: Sequence[Gauge] = ()
    took_s: float = 0.0
