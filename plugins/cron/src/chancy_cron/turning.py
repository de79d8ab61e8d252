"""Ranges that go over the turn of the week, of the year or of the day: `FRI-MON`, `NOV-FEB`, `22-6`.

Everybody reads them the same way, and the library that computes times refuses them: they are written out for it.
Minutes and days of the month are not among them. There, an end before the beginning is more often a slip, and a month's
last day differs.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_RANGE: Final = re.compile(r"(?P<first>\w+)-(?P<last>\w+)(?:/(?P<step>\d+))?")


class _Cycle(NamedTuple):
    """A field whose last value is followed by its first.

    Attributes:
        start: the first value.
        length: how many there are.
        names: what the values may be called, the first value's name first.
    """

    start: int
    length: int
    names: tuple[str, ...] = ()

    def value(self, text: str) -> int | None:
        """The value of this text, or None if it is none of the field's."""
        if text.upper() in self.names:
            return self.start + self.names.index(text.upper())
        if not text.isascii() or not text.isdigit():
            return None
        number = int(text)
        return number if self.start <= number < self.start + self.length else None


_HOURS: Final = _Cycle(0, 24)
_MONTH_NAMES: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS: Final = _Cycle(1, 12, _MONTH_NAMES)
_WEEKDAYS: Final = _Cycle(0, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
# Of the fields without the second: minute, hour, day of the month, month, day of the week.
_CYCLES: Final = (None, _HOURS, None, _MONTHS, _WEEKDAYS)


def written_out(fields: list[str]) -> list[str]:
    """The fields of an expression, ranges that go over a turn as lists of their values; the rest as it was."""
    seconds, others = fields[:-5], fields[-5:]
    return seconds + [
        field if cycle is None else ",".join(_part(part, cycle) for part in field.split(","))
        for field, cycle in zip(others, _CYCLES, strict=True)
    ]


def _part(part: str, cycle: _Cycle) -> str:
    found = _RANGE.fullmatch(part)
    if found is None:
        return part
    first, last = (_bound(found[side], cycle) for side in ("first", "last"))
    step = int(found["step"] or 1)
    if first is None or last is None or not step:
        # Nothing that anybody knows, which the library will say.
        return part
    if first > last:
        values = range(first, last + cycle.length + 1, step)
        return ",".join(str(cycle.start + (value - cycle.start) % cycle.length) for value in values)
    if cycle is _WEEKDAYS and found["first"] == "7":
        # A week that begins with 7 is, for the library, one that begins with 0.
        return str(first) if first == last else f"{first}-{last}/{step}"
    return part


def _bound(text: str, cycle: _Cycle) -> int | None:
    """The value of one end of a range; Sunday may also be called 7."""
    return 0 if cycle is _WEEKDAYS and text == "7" else cycle.value(text)
