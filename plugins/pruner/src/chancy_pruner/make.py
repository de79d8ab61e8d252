"""Make partitions ahead of time, so that no job finishes into a default partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from chancy_pruner.policy import Retention
from chancy_pruner.store import Partition, PrunerStore, Range

# Partitions end so far ahead at least, and three widths: time for another leader, a long dump, a database that is away.
LEAD_S: Final = 120
LEAD_WIDTHS: Final = 3
# A partition must not be attached for a time that has come: a job on its way into the default partition, waiting for
# its lock, would be refused there afterwards. So the first begins so far ahead, and at a multiple of so many seconds.
START_AHEAD_S: Final = 15
START_ROUND_S: Final = 20
# Jobs from the future, left by a clock that was wrong: so many are moved while the default partition is locked.
MOVE_MOST: Final = 5_000
# A default partition with more rows than this is read as rarely as can be: partitions are made for as long as its rows
# will be there.
LARGE_ROWS: Final = 100_000
AT_ONCE_MOST: Final = 64
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TooLate(Exception):  # noqa: N818 -- never leaves the plugin
    """The time of a partition came before it was attached."""


class Coverage(NamedTuple):
    """What partitions there are of an outcome.

    Attributes:
        now: the database's time.
        until_at: where the latest partition ends; None: there is none.
    """

    now: datetime
    until_at: datetime | None


def coverage(partitions: Sequence[Partition], state: str) -> Coverage | None:
    """What partitions there are of an outcome; None if somebody took its default partition away."""
    ours = [one for one in partitions if one.state == state]
    if not any(one.is_default for one in ours):
        return None
    # A partition without an upper bound, made by somebody else, leaves nothing to be made.
    ends = [one.to_at or datetime.max.replace(tzinfo=UTC) for one in ours if not one.is_default]
    return Coverage(ours[0].now, max(ends, default=None))


def is_short(retention: Retention, found: Coverage) -> bool:
    """Whether it is time to make partitions."""
    return found.until_at is None or found.until_at < found.now + _lead(retention)


async def make(store: PrunerStore, retention: Retention, *, lock_s: float, hold_s: float) -> list[str]:
    """Make the partitions of an outcome that are missing. Returns their names.

    In one transaction, so that nobody ever sees a job twice or not at all.

    Args:
        store: the statements.
        retention: the outcome.
        lock_s: how long to wait for the default partition, in seconds.
        hold_s: how long any statement may take that holds it, in seconds.

    Raises:
        psycopg.errors.LockNotAvailable: somebody uses the default partition for longer than `lock_s`.
        psycopg.errors.QueryCanceled: the default partition is too large to be read within `hold_s`.
        TooLate: it took so long that a job may have been about to finish into the default partition.
    """
    found = coverage(await store.partitions(), retention.state)
    if found is None or not is_short(retention, found):
        return []
    ranges, used_until = await _planned(store, retention, found, hold_s)
    async with store.connection.transaction():
        await store.set_timeouts(lock_s=lock_s, statement_s=hold_s)
        await store.lock_parent(retention.state)
        again = coverage(await store.partitions(), retention.state)
        if again is None or again.until_at != found.until_at:
            # Somebody else was faster.
            return []
        await _attach(store, retention, ranges, used_until)
    return [one.name for one in ranges]


async def _planned(
    store: PrunerStore, retention: Retention, found: Coverage, hold_s: float
) -> tuple[list[Range], datetime]:
    """The ranges to be made, and until when jobs lie in the default partition."""
    # Twice hold_s: for the reading here, and for that under the lock.
    ahead = timedelta(seconds=START_AHEAD_S + 2 * hold_s)
    start = _next_round(found.now + ahead)
    if found.until_at is not None and found.until_at > found.now + ahead:
        start = found.until_at
    # Without a lock that anybody waits for: it warms the cache for the reading under the lock, and tells beforehand if
    # that takes too long.
    async with store.connection.transaction():
        await store.set_timeouts(lock_s=hold_s, statement_s=hold_s)
        rows, later, latest = await store.read_default(retention.state, start)
    used_until = max(found.now, latest or found.now)
    if later > MOVE_MOST:
        start = _next_round(used_until)
    return _ranges(retention, max(found.now, start), start, large=rows > LARGE_ROWS), used_until


async def _attach(store: PrunerStore, retention: Retention, ranges: Sequence[Range], used_until: datetime) -> None:
    for one in ranges:
        await store.create(retention.state, one)
    await store.lock_default(retention.state)
    for one in ranges:
        if one.from_at <= used_until:
            await store.move_rows(retention.state, one)
    await store.attach(retention.state, ranges)
    if await store.clock() >= ranges[0].from_at:
        raise TooLate


def _lead(retention: Retention) -> timedelta:
    return timedelta(seconds=max(LEAD_S, LEAD_WIDTHS * retention.width_s))


def _ranges(retention: Retention, now: datetime, start: datetime, *, large: bool) -> list[Range]:
    width = timedelta(seconds=retention.width_s)
    until = now + _lead(retention)
    if large:
        until += timedelta(seconds=retention.last_due_s or 0)
    found: list[Range] = []
    while start < until and len(found) < AT_ONCE_MOST:
        end = _aligned(start, retention.width_s) + width
        found.append(Range(f"finished_{retention.state}_p{start:%Y%m%d_%H%M%S}", start, end))
        start = end
    return found


def _aligned(moment: datetime, width_s: int) -> datetime:
    """The latest multiple of the width, counted from 1970."""
    width = timedelta(seconds=width_s)
    return EPOCH + (moment - EPOCH) // width * width


def _next_round(moment: datetime) -> datetime:
    return _aligned(moment, START_ROUND_S) + timedelta(seconds=START_ROUND_S)
