"""Delete what cannot wait for a partition to be dropped: in bounded batches, page by page."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import psycopg

from chancy_pruner.policy import Retention
from chancy_pruner.store import Partition, PrunerStore

# Rows on a page of 8 kB: some 25 without arguments or results, hardly ever more than 60.
ROWS_A_PAGE: Final = 60
# A walk that found nothing is repeated after so many times its own duration: at most a twentieth of one backend.
REST_IDLE: Final = 20
REST_BUSY: Final = 1
REST_LEAST_S: Final = 5.0


class Walk:
    """One partition's walks, from its first page to its last, over as many ticks as they take.

    Attributes:
        done: everything that will ever be due here was; nothing finishes into the past.
    """

    def __init__(self) -> None:
        self.done = False
        self._page = 0
        self._took_s = 0.0
        self._deleted = 0
        self._complete = False
        self._not_before = float("-inf")

    def is_due(self) -> bool:
        """Whether to go on now."""
        return not self.done and time.monotonic() >= self._not_before

    async def go(
        self,
        store: PrunerStore,
        retention: Retention,
        partition: Partition,
        *,
        batch_rows: int,
        pause_s: float,
        until: float,
    ) -> Counter[str]:
        """Delete what is due, until the end of the partition or that monotonic time. Returns how many, by rule.

        Args:
            store: the statements.
            retention: the rules.
            partition: as just listed.
            batch_rows: how many rows one statement deletes at most.
            pause_s: seconds between two statements that deleted something.
            until: by `time.monotonic`.
        """
        if not self._page:
            self._took_s, self._deleted = 0.0, 0
            self._complete = _all_due(retention, partition)
        pages = max(1, batch_rows // ROWS_A_PAGE)
        counts: Counter[str] = Counter()
        while self._page < partition.pages and time.monotonic() < until:
            start = time.monotonic()
            try:
                found = await store.sweep(retention, partition.name, self._page, self._page + pages, batch_rows)
            except psycopg.errors.UndefinedTable:
                # Somebody else has dropped it: nothing is left to be done.
                self.done = True
                return counts
            self._took_s += time.monotonic() - start
            counts.update(found)
            deleted = sum(found.values())
            self._deleted += deleted
            if deleted < batch_rows:
                self._page += pages
            if deleted:
                await asyncio.sleep(pause_s)
        if self._page >= partition.pages:
            self._rest()
        return counts

    def _rest(self) -> None:
        self._page = 0
        # Once more after a walk that deleted something: another pruner may have held rows that it then left.
        self.done = self._complete and not self._deleted
        times = REST_BUSY if self._deleted else REST_IDLE
        self._not_before = time.monotonic() + max(REST_LEAST_S, times * self._took_s)


def swept(
    retention: Retention, partitions: Sequence[Partition], *, droppable: bool
) -> list[tuple[Partition, Retention]]:
    """The partitions of an outcome in which jobs may be due, and the rules that are applied there.

    Args:
        retention: the outcome.
        partitions: as just listed.
        droppable: False: this role may not drop partitions, so what they hold is deleted.
    """
    found = []
    for one in partitions:
        rules = retention if one.is_default or not droppable else retention.finer
        shortest_s = rules.shortest_s
        if one.state != retention.state or not one.pages or shortest_s is None:
            continue
        if one.is_default or one.from_at is None or one.from_at < one.now - timedelta(seconds=shortest_s):
            found.append((one, rules))
    return found


def _all_due(retention: Retention, partition: Partition) -> bool:
    last_s = retention.last_due_s
    if partition.is_default or partition.to_at is None or last_s is None:
        return False
    return partition.to_at <= partition.now - timedelta(seconds=last_s)
