"""Moments as people write them in a filter: how long ago, a time of day, a date, or ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from chancy_core.errors import InvalidFilter
from chancy_core.values.durations import LONGEST_S
from chancy_core.values.ranges import EARLIEST, LATEST

_UNITS_S: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_PART: Final = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(s|seconds?|sec|m|min|minutes?|h|hours?|d|days?|w|weeks?)"
_PARTS: Final = re.compile(_PART)
_AGO: Final = re.compile(rf"(?:{_PART})+")
_TIME_OF_DAY: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
_DAYS: Final = ("today", "yesterday")
#: What may be written, to complete "give …" in an error.
EXPECTED: Final = (
    "how long ago it was (30min, 2h, 7d), a time of day (14:00), 'today', 'yesterday', a date (2026-01-31), or a date "
    "and a time (2026-01-31T14:00+01:00)"
)


def moment(text: str, *, now: datetime | None = None, zone: tzinfo = UTC) -> datetime | timedelta:
    """The moment that a text means.

    Args:
        text: such as `2h`, `14:00`, `today` or `2026-01-31T14:00Z`.
        now: what a time of day and the words are relative to; None: this machine's clock.
        zone: the time zone of what names none.

    Returns:
        How long ago it is, if that is what the text says, so that it means another moment tomorrow; else the moment.
        A time of day is the last one: of today, or of yesterday if today's is yet to come.

    Raises:
        InvalidFilter: it is none, and what one looks like.
    """
    word = text.strip().lower()
    if _AGO.fullmatch(word):
        return _ago(text, word)
    here = (now or datetime.now(UTC)).astimezone(zone)
    if word in _DAYS:
        return _midnight(here.date() - timedelta(days=_DAYS.index(word)), zone)
    try:
        if _TIME_OF_DAY.fullmatch(word):
            return _last(time.fromisoformat(word.zfill(5)), here, zone)
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidFilter(f"{text[:60]!r} is no time: give {EXPECTED}.") from None
    return checked(found if found.tzinfo else found.replace(tzinfo=zone))


def checked(value: object) -> datetime | timedelta:
    """A moment, or how long ago it is, if the database can reckon with it. Raises InvalidFilter."""
    if isinstance(value, timedelta):
        if timedelta(0) <= value <= timedelta(seconds=LONGEST_S):
            return value
        raise InvalidFilter(f"{value} ago is no time to look for: give at most a hundred years, and no less than 0 s.")
    if not isinstance(value, datetime):
        raise InvalidFilter(f"{value!r:.60} is no time: give a datetime, a timedelta (how long ago), or {EXPECTED}.")
    if value.utcoffset() is None:
        raise InvalidFilter(f"{value.isoformat()} has no time zone: say which moment is meant.")
    if not EARLIEST <= value <= LATEST:
        raise InvalidFilter(
            f"{value.isoformat()} is out of range: give one from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}."
        )
    return value


def moment_text(value: datetime | timedelta) -> str:
    """The text that means just this moment, or just so long ago."""
    if isinstance(value, datetime):
        return value.isoformat()
    if value.microseconds:
        return f"{value.total_seconds():.6f}".rstrip("0") + "s"
    seconds = int(value.total_seconds())
    unit_s, unit = next(
        (size, name) for size, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")) if seconds % size == 0
    )
    return f"{seconds // unit_s}{unit}" if seconds else "0s"


def _ago(text: str, word: str) -> timedelta:
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in _PARTS.findall(word))
    if seconds > LONGEST_S:
        raise InvalidFilter(f"{text[:60]!r} is more than a hundred years ago: leave it out to look at everything.")
    return timedelta(seconds=seconds)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)


def _last(at: time, here: datetime, zone: tzinfo) -> datetime:
    found = datetime.combine(here.date(), at, tzinfo=zone)
    return found if found <= here else datetime.combine(here.date() - timedelta(days=1), at, tzinfo=zone)
