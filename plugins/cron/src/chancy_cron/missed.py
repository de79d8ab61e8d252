"""Which of the times that have passed are fired."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final
from zoneinfo import ZoneInfo

from chancy_cron.expression import Expression
from chancy_cron.schedule import Missed
from chancy_cron.times import fire_times

SECOND: Final = timedelta(seconds=1)


def to_fire(
    expression: Expression,
    where: ZoneInfo,
    *,
    next_at: datetime,
    now: datetime,
    late_s: float,
    missed: Missed,
    missed_max: int,
) -> list[datetime]:
    """The times from `next_at` to `now` that are fired now, in their order.

    A time that is no older than `late_s` is fired. What is older counts as missed, and `missed` says: SKIP: none of it;
    ONCE: its last time, unless a later one is fired anyway; ALL: each, the last `missed_max` at most.
    """
    in_time_from = now - timedelta(seconds=late_s)
    if next_at >= in_time_from:
        return list(_between(expression, where, next_at, now))
    in_time = [time for time in fire_until(expression, where, in_time_from - SECOND, now) if time >= in_time_from]
    if missed is Missed.SKIP or (missed is Missed.ONCE and in_time):
        return in_time
    wanted = 1 if missed is Missed.ONCE else missed_max
    return [*_latest(expression, where, next_at, in_time_from, wanted), *in_time]


def fire_until(expression: Expression, where: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """The times after one moment, up to and with another."""
    return takewhile(lambda time: time <= until, fire_times(expression, where, after))


def _between(expression: Expression, where: ZoneInfo, first: datetime, until: datetime) -> Iterator[datetime]:
    """`first`, though the expression may have been changed since, and what the expression names up to `until`."""
    yield first
    yield from fire_until(expression, where, first, until)


def _latest(expression: Expression, where: ZoneInfo, first: datetime, before: datetime, count: int) -> list[datetime]:
    """The last `count` times from `first` to before `before`.

    Looks back twice as far each time, so that a schedule of every second that nobody ran for a year is not counted
    through from its beginning.
    """
    span = timedelta(minutes=1)
    while True:
        if before - span <= first:
            times = _between(expression, where, first, before)
            return list(deque(takewhile(lambda time: time < before, times), maxlen=count))
        times = fire_times(expression, where, before - span)
        found = deque(takewhile(lambda time: time < before, times), maxlen=count)
        if len(found) == count:
            return list(found)
        span *= 2
