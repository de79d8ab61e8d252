"""Times and sizes as people read and write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from chancy_core.values.durations import duration_s

if TYPE_CHECKING:
    _Moments: TypeAlias = click.ParamType[datetime]
    _Spans: TypeAlias = click.ParamType[timedelta]
else:  # older versions of click are no generics
    _Moments = _Spans = click.ParamType

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
_UNITS: Final = ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min"))
_KIB: Final = 1024


def span(seconds: float) -> str:
    """A length of time, in the largest unit of which it has at least one."""
    for unit_s, unit in _UNITS:
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def ago(seconds: float | None) -> str:
    """How long ago something was; nothing if it was not."""
    return "" if seconds is None else f"{span(seconds)} ago"


def exact_span(seconds: float) -> str:
    """How long something took, with milliseconds where they are news."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < MINUTE_S else span(seconds)


def moment(at: datetime | None) -> str:
    """A moment in UTC, as logs and the database have it, to the second; nothing if there is none."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def size(count: float) -> str:
    """So many bytes."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < _KIB:
            return f"{count:.0f} {unit}"
        count /= _KIB
    return f"{count:.1f} TiB"


class Moment(_Moments):
    """A moment as ISO 8601 has it, with its offset: `2030-01-31T08:00+01:00`, or `2030-01-31T07:00Z`."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment that was written."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{str(value)[:60]!r} is not a time: write 2030-01-31T08:00+01:00.", param, ctx)
        if at.utcoffset() is None:
            self.fail(f"{value!r} has no offset, so nobody knows which hour it is: write {value}Z for UTC.", param, ctx)
        return at


class Span(_Spans):
    """A length of time from now: `90s`, `15m`, `36h`, `14d`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The length that was written."""
        if isinstance(value, timedelta):
            return value
        try:
            seconds = duration_s("it", str(value))
        except ValueError:
            seconds = None
        if seconds is None:
            self.fail(
                f"{str(value)[:60]!r}: give a whole number and a unit (s, m, h, d or w), such as 90s.", param, ctx
            )
        return timedelta(seconds=seconds)


def when(at: datetime | None, within: timedelta | None) -> datetime | None:
    """The moment that the options `--at` and `--in` name together. Raises click.UsageError if both are given."""
    if at is not None and within is not None:
        raise click.UsageError("--at and --in exclude each other.")
    return datetime.now(UTC) + within if within is not None else at
