"""When an expression fires in a time zone, by the rules of Debian's cron.

Schedules at times of day run once, whatever the clocks do: a time that is skipped in spring runs right after the gap, a
time that comes twice in autumn runs the first time. Schedules at intervals (a star in the minute or the hour) run
whenever the clock on the wall matches.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from chancy_cron.errors import InvalidSchedule
from chancy_cron.expression import Expression, local_times

MINUTE: Final = timedelta(minutes=1)
# No zone keeps an offset for less than this; even Morocco's pause for Ramadan takes four weeks.
SAMPLE: Final = timedelta(weeks=1)
# Enough years to see a change of rules coming before the fire that it is about.
YEARS_AHEAD: Final = 6


def zone(given: str | tzinfo) -> ZoneInfo:
    """The time zone of that name, or the one that an object stands for. Raises InvalidSchedule."""
    name = zone_name(given)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        # Of six hundred names, the first ten say nothing.
        meant = difflib.get_close_matches(str(name), available_timezones(), n=1)
        hint = f" Did you mean {meant[0]!r}?" if meant else ""
        raise InvalidSchedule(
            f"timezone is {name!r:.80}, which is not in the time zone database.{hint} Give a name such as "
            "'Europe/Berlin'."
        ) from None


def zone_name(given: Any) -> Any:
    """The name of a time zone that was given as an object; whatever else was given, as it is.

    Raises:
        InvalidSchedule: a time zone without a name, which no other process could find.
    """
    if not isinstance(given, tzinfo):
        return given
    if given is UTC:
        return "UTC"
    # A `ZoneInfo` calls it its key; pytz, its zone.
    name = getattr(given, "key", None) or getattr(given, "zone", None)
    if isinstance(name, str):
        return name
    raise InvalidSchedule(
        f"timezone is {given!r:.80}, which has no name under which a worker finds its rules: give "
        "ZoneInfo('Europe/Berlin'), or the name alone."
    )


def fire_times(expression: Expression, where: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """The moments, in UTC, at which an expression fires after a moment; each once, in their order."""
    last = after = after.astimezone(UTC)
    found = _at_times_of_day if expression.fixed else _at_intervals
    for moment in found(expression, where, after):
        if moment > last:
            last = moment
            yield moment


def _at_times_of_day(expression: Expression, where: ZoneInfo, after: datetime) -> Iterator[datetime]:
    for local in local_times(expression, _local(after, where)):
        yield _first_moment(local, where)


def _first_moment(local: datetime, where: ZoneInfo) -> datetime:
    """The first moment at which the clock shows this local time, or passes it by jumping over it."""
    moment = local.replace(tzinfo=where, fold=0).astimezone(UTC)
    if _local(moment, where) == local:
        return moment
    local = local.replace(second=0)
    while True:
        # Gaps begin and end at whole minutes.
        local += MINUTE
        moment = local.replace(tzinfo=where, fold=0).astimezone(UTC)
        if _local(moment, where) == local:
            return moment


def _at_intervals(expression: Expression, where: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Every moment at which the clock shows a local time of the expression.

    While an offset is in force, local times and moments differ by just that; so each offset has a stream of candidates,
    and a candidate counts if its offset is the one in force at that moment.
    """
    first = next(local_times(expression, _local(after, where)), None)
    if first is None:
        return
    offsets = _offsets(where, after.year) | _offsets(where, first.year)
    streams = [_candidates(expression, offset, after) for offset in offsets]
    for moment, offset in heapq.merge(*streams):
        if moment.astimezone(where).utcoffset() == offset:
            yield moment


def _candidates(expression: Expression, offset: timedelta, after: datetime) -> Iterator[tuple[datetime, timedelta]]:
    for local in local_times(expression, after.replace(tzinfo=None) + offset):
        yield (local - offset).replace(tzinfo=UTC), offset


@lru_cache(maxsize=4096)
def _offsets(where: ZoneInfo, year: int) -> frozenset[timedelta]:
    """Every offset from UTC that a zone has around that year."""
    moment, end = datetime(year - 1, 1, 1, tzinfo=UTC), datetime(year + YEARS_AHEAD, 1, 1, tzinfo=UTC)
    found = set()
    while moment < end:
        found.add(moment.astimezone(where).utcoffset() or timedelta())
        moment += SAMPLE
    return frozenset(found)


def _local(moment: datetime, where: ZoneInfo) -> datetime:
    return moment.astimezone(where).replace(tzinfo=None, fold=0)
