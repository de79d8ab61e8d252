"""Cron expressions: what is one, and which local times it names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from cronsim import CronSim, CronSimError

from chancy.plugin import nearest
from chancy_cron.errors import InvalidSchedule
from chancy_cron.turning import written_out

# Far longer than any expression a person writes.
LENGTH_MAX: Final = 250
ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
RANGES: Final = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23, or 22-6 for the night",
    "day-of-month": "1-31, L for the last day, LW for the last weekday",
    "month": "1-12 or JAN-DEC, or NOV-FEB for the winter",
    "day-of-week": "0-7 (0 and 7 are Sunday), SUN-SAT or FRI-MON, 5L for the last Friday, 1#2 for the second Monday",
}
# Any moment will do: an expression that names no time in the fifty years after it never fires.
SOME_MOMENT: Final = datetime(2000, 1, 1)  # noqa: DTZ001 -- local times have no zone


class Expression(NamedTuple):
    """A cron expression that has been checked.

    Attributes:
        text: five or six fields, as the library knows them.
        fixed: whether neither the minute nor the hour begins with a star; such a schedule runs at times of day, the
            others run at intervals, and that is what decides how the change of a clock is handled.
    """

    text: str
    fixed: bool


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """The expression in `text`: five fields, six with seconds first, or a name such as `@hourly`.

    Raises:
        InvalidSchedule: it is none, or never fires.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > LENGTH_MAX:
        raise InvalidSchedule(f"cron is {text!r:.60}: give an expression such as '*/5 * * * *' or '@hourly'.")
    plain = _without_alias(text.strip())
    fields = plain.split()
    if len(fields) not in (5, 6):
        raise InvalidSchedule(
            f"cron is {text!r}, which has {len(fields)} fields: give five (minute, hour, day of month, month, day of "
            "week), or six, with the second first."
        )
    try:
        plain = " ".join(written_out(fields))
        first = next(CronSim(plain, SOME_MOMENT), None)
    except (CronSimError, AssertionError, ValueError) as error:
        raise InvalidSchedule(f"cron is {text!r}: {_told(str(error), fields)}") from None
    if first is None:
        raise InvalidSchedule(f"cron is {text!r}, which names no time in fifty years.")
    minute, hour = fields[-5:-3]
    return Expression(plain, fixed=not (minute.startswith("*") or hour.startswith("*")))


def local_times(expression: Expression, after: datetime) -> Iterator[datetime]:
    """The local times that an expression names after a local time, one by one; neither has a zone."""
    return iter(CronSim(expression.text, after))


def _without_alias(text: str) -> str:
    if not text.startswith("@"):
        return text
    if text.lower() == "@reboot":
        raise InvalidSchedule(
            "cron is '@reboot': there is no one machine whose start could be meant. Push a job instead."
        )
    try:
        return ALIASES[text.lower()]
    except KeyError:
        raise InvalidSchedule(f"cron is {text!r}, which is no name of a schedule.{nearest(text, ALIASES)}") from None


def _told(message: str, fields: list[str]) -> str:
    """The library says `Bad hour`; a person also wants to know the value, and what would be right."""
    names = list(RANGES)[-len(fields) :]
    name = message.removeprefix("Bad ")
    if name not in names:
        return f"{message or 'that is no cron expression'}."
    return f"the {name} is {fields[names.index(name)]!r}. It may be {RANGES[name]}; *, lists, ranges and steps (*/5)."
