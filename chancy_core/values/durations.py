"""Durations as people write them: "90s", "15m", "36h", "14d", "2w", "forever"."""

from __future__ import annotations

import re
from typing import Final

from chancy_core.errors import ConfigError

FOREVER: Final = "forever"
UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
PATTERN: Final = re.compile(r"([0-9]{1,12}) ?([smhdw])")
# Beyond this, PostgreSQL's intervals and calendars are no place to calculate in.
LONGEST_S: Final = 100 * 366 * 86_400


def duration_s(name: str, text: object, *, least_s: int = 0, error: type[ValueError] = ConfigError) -> int | None:
    """The seconds in a duration such as "36h"; None for "forever".

    Args:
        name: what the setting is called, for the error.
        text: what the user wrote.
        least_s: the shortest that makes sense there.
        error: what is raised.

    Raises:
        ConfigError: it is no duration, too short, or too long.
    """
    if text == FOREVER:
        return None
    found = PATTERN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise error(
            f'{name} is {text!r}: give a whole number and a unit (s, m, h, d or w), such as "36h", or "{FOREVER}".'
        )
    length_s = int(found[1]) * UNITS_S[found[2]]
    if length_s < least_s:
        raise error(f'{name} is {text!r}: give at least "{duration_text(least_s)}".')
    if length_s > LONGEST_S:
        raise error(f'{name} is {text!r}, more than a hundred years: say "{FOREVER}".')
    return length_s


def duration_text(length_s: int | None) -> str:
    """A duration in the largest unit that expresses it whole; weeks are days, because months do not fit them."""
    if length_s is None:
        return FOREVER
    unit = next(unit for unit in "dhms" if length_s % UNITS_S[unit] == 0)
    return f"{length_s // UNITS_S[unit]}{unit}"
