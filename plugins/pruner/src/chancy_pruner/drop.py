"""Drop whole partitions, without anybody waiting for long."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import psycopg

from chancy_pruner.policy import Retention
from chancy_pruner.store import Partition, PrunerStore

# A queue's transactions are short: when one was in the way, the next moment is as good as any.
TRIES: Final = 5
PAUSE_S: Final = 0.2


def expired(retention: Retention, partitions: Sequence[Partition]) -> list[Partition]:
    """The partitions of an outcome in which everything may go."""
    return [
        one
        for one in partitions
        if one.state == retention.state and not one.is_default and _is_over(one, retention.longest_s)
    ]


async def drop(store: PrunerStore, partition: Partition, retention: Retention, *, lock_s: float) -> bool:
    """Drop a partition. Returns False if somebody else has done so.

    A drop waits for those who use the outcome's table, and whoever comes later waits behind it: so it gives up after
    `lock_s`, lets them pass, and tries again.

    Raises:
        psycopg.errors.LockNotAvailable: each time there was somebody.
    """
    for left in reversed(range(TRIES)):
        try:
            async with store.connection.transaction():
                await store.set_timeouts(lock_s=lock_s, statement_s=0)
                await store.drop(retention.state, partition.name)
        except psycopg.errors.UndefinedTable:
            return False
        except psycopg.errors.LockNotAvailable:
            if not left:
                raise
            # Not in step with whoever comes at regular times.
            await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1.5))  # noqa: S311
        else:
            break
    return True


def _is_over(partition: Partition, keep_s: int | None) -> bool:
    if partition.to_at is None or keep_s is None:
        return False
    return partition.to_at <= partition.now - timedelta(seconds=keep_s)
