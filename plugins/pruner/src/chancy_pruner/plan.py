"""Tell what would go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from chancy_pruner.drop import expired
from chancy_pruner.policy import Retention
from chancy_pruner.store import Partition, PrunerStore
from chancy_pruner.sweep import swept

# Larger partitions are not counted but sampled: so many of their pages are looked at.
PAGES_COUNTED: Final = 5_000


class Line(NamedTuple):
    """Something that would go.

    Attributes:
        outcome: succeeded, failed or cancelled.
        rule: the rule that says so; for a whole partition, all of them.
        partition: where.
        whole: whether the partition is dropped.
        rows: how many jobs.
        exact: whether they were counted; otherwise it is an estimate.
        bytes: the size of the partition, if it is dropped.
    """

    outcome: str
    rule: str
    partition: str
    whole: bool
    rows: int
    exact: bool
    bytes: int


async def plan(store: PrunerStore, retentions: Sequence[Retention]) -> list[Line]:
    """What a round would take away, were there time enough. Changes nothing."""
    listed = await store.partitions()
    lines: list[Line] = []
    for retention in retentions:
        whole = expired(retention, listed)
        for one in whole:
            rows, exact = await _rows(store, one)
            lines.append(Line(retention.state, "every rule", one.name, True, rows, exact, one.bytes))
        names = {one.name for one in whole}
        for one, rules in swept(retention, listed, droppable=True):
            if one.name not in names:
                lines += await _due(store, rules, one)
    return lines


async def _rows(store: PrunerStore, partition: Partition) -> tuple[int, bool]:
    share = _share(partition)
    if share < 100 and partition.row_estimate >= 0:  # noqa: PLR2004 -- per cent
        return partition.row_estimate, False
    count = await store.count_rows(partition.name, share)
    return round(count * 100 / share), share == 100  # noqa: PLR2004


async def _due(store: PrunerStore, rules: Retention, partition: Partition) -> list[Line]:
    share = _share(partition)
    counts = await store.count_due(rules, partition.name, share)
    return [
        Line(rules.state, rule, partition.name, False, round(count * 100 / share), share == 100, 0)  # noqa: PLR2004
        for rule, count in sorted(counts.items())
    ]


def _share(partition: Partition) -> float:
    return min(100.0, 100 * PAGES_COUNTED / max(partition.pages, 1))
