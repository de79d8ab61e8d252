"""Durations as people write them: "90s", "15m", "36h", "14d", "2w", "forever"."""

from __future__ import annotations

import re
from typing import Final

from chancy_pruner.errors import InvalidRetention

FOREVER: Final = "forever"
UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
PATTERN: Final = re.compile(r"([0-9]{1,12}) ?([smhdw])")
# Beyond this, PostgreSQL's intervals and calendars are no place to calculate in.
LONGEST_S: Final = 100 * 366 * 86_400


def seconds(text: object, key: str, *, least_s: int) -> int | None:
    """The seconds in a duration; None for "forever".

    Args:
        text: what the user wrote.
        key: where, for the error.
        least_s: the shortest that makes sense there.

    Raises:
        InvalidRetention: it is no duration, too short, or too long.
    """
    if text == FOREVER:
        return None
    found = PATTERN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidRetention(
            f'{key} is {text!r}: give a whole number and a unit (s, m, h, d or w), such as "36h", or "{FOREVER}".'
        )
    length_s = int(found[1]) * UNITS_S[found[2]]
    if length_s < least_s:
        raise InvalidRetention(f'{key} is {text!r}: give at least "{shown(least_s)}".')
    if length_s > LONGEST_S:
        raise InvalidRetention(f'{key} is {text!r}, more than a hundred years: say "{FOREVER}".')
    return length_s


def shown(length_s: int | None) -> str:
    """A duration in the largest unit that expresses it whole; weeks are days, because months do not fit them."""
    if length_s is None:
        return FOREVER
    unit = next(unit for unit in "dhms" if length_s % UNITS_S[unit] == 0)
    return f"{length_s // UNITS_S[unit]}{unit}"
