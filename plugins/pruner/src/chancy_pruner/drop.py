"""Drop whole partitions, without anybody waiting for long."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import psycopg

from chancy_pruner.policy import Retention
from chancy_pruner.store import Partition, PrunerStore

# Each table and its indexes need a place in the server's table of locks.
AT_ONCE_MOST: Final = 16
PAUSE_S: Final = 0.2


def expired(retention: Retention, partitions: Sequence[Partition]) -> list[Partition]:
    """The partitions of an outcome in which everything may go."""
    longest_s = retention.longest_s
    if longest_s is None:
        return []
    return [
        one
        for one in partitions
        if one.state == retention.state and not one.is_default and _is_over(one.to_at, longest_s, one.now)
    ]


async def drop(store: PrunerStore, names: Sequence[str], *, lock_s: float, tries: int) -> list[str]:
    """Drop partitions of one outcome, some at a time. Returns those that are gone.

    A drop waits for those who use the outcome's table, and whoever comes later waits behind it: so it gives up after
    `lock_s`, lets them pass, and tries again.

    Raises:
        psycopg.errors.LockNotAvailable: after `tries`, when nothing could be dropped at all.
    """
    gone: list[str] = []
    for start in range(0, len(names), AT_ONCE_MOST):
        some = names[start : start + AT_ONCE_MOST]
        try:
            await _try(store, some, lock_s, tries)
        except psycopg.errors.LockNotAvailable:
            if not gone:
                raise
            break
        gone += some
    return gone


async def _try(store: PrunerStore, names: Sequence[str], lock_s: float, tries: int) -> None:
    for left in reversed(range(tries)):
        try:
            async with store.connection.transaction():
                await store.set_timeouts(lock_s=lock_s, statement_s=0)
                await store.drop(names)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if not left:
                raise
            # Not in step with whoever comes at regular times.
            await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1.5))  # noqa: S311
        else:
            return


def _is_over(to_at: datetime | None, keep_s: int, now: datetime) -> bool:
    return to_at is not None and to_at <= now - timedelta(seconds=keep_s)
