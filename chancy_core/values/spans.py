"""Spans of whole numbers, as a filter has them: `2`, `>2`, `<=5`, `1..3`, `10..`."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from chancy_core.errors import InvalidFilter

# PostgreSQL's integer, which is what attempts and priorities are.
LOWEST: Final = -(2**31)
HIGHEST: Final = 2**31 - 1
_NUMBER: Final = "-?[0-9]{1,12}"
_COMPARED: Final = re.compile(rf"(>=|<=|>|<|=)?({_NUMBER})")
_BETWEEN: Final = re.compile(rf"({_NUMBER})?\.\.({_NUMBER})?")


class Span(NamedTuple):
    """The whole numbers from `low` to `high`, both included; None where it has no end."""

    low: int | None
    high: int | None

    @property
    def multirange(self) -> str:
        """As PostgreSQL writes it inside of a multirange."""
        return f"[{'' if self.low is None else self.low},{'' if self.high is None else self.high}]"

    def __str__(self) -> str:
        if self.low == self.high:
            return str(self.low)
        return f"{'' if self.low is None else self.low}..{'' if self.high is None else self.high}"


def span(field: str, value: object) -> Span:
    """The span that a number, a text or another span means. Raises InvalidFilter."""
    if isinstance(value, Span):
        low, high = value
    elif isinstance(value, int) and not isinstance(value, bool):
        low = high = value
    else:
        low, high = _read(field, value)
    for end in (low, high):
        if end is not None and not LOWEST <= end <= HIGHEST:
            raise InvalidFilter(f"{field} is {end}: give a whole number from {LOWEST:,} to {HIGHEST:,}.")
    if low is None and high is None:
        raise InvalidFilter(f"{field} is '..', which is every number: leave it out.")
    if low is not None and high is not None and low > high:
        raise InvalidFilter(f"{field} is {low}..{high}, which no number is: give the lower one first.")
    return Span(low, high)


def _read(field: str, value: object) -> tuple[int | None, int | None]:
    text = value.strip() if isinstance(value, str) else ""
    if found := _BETWEEN.fullmatch(text):
        return tuple(None if end is None else int(end) for end in found.groups())  # type: ignore[return-value]
    if found := _COMPARED.fullmatch(text):
        number = int(found[2])
        match found[1]:
            case ">":
                return number + 1, None
            case ">=":
                return number, None
            case "<":
                return None, number - 1
            case "<=":
                return None, number
        return number, number
    raise InvalidFilter(f"{field} is {value!r:.60}: give a whole number, or a span such as >2, <=5, 1..3 or 10.. .")
