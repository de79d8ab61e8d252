"""The text of a filter, cut into terms: `-field:value,"another value"`, and where in the text each stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from chancy_core.errors import InvalidFilter

# Many times what anybody types, and short enough for a URL.
TEXT_MAX: Final = 4096
# What a backslash leaves as a pair, because it is itself in a pattern.
_OF_PATTERNS: Final = "*?\\"
_SHOWN: Final = 30


class Term(NamedTuple):
    """A term of a filter.

    Attributes:
        place: where it begins in the text, from 0.
        negated: whether it must not hold.
        word: what stands before the colon.
        values: what stands after it, each with its place.
    """

    place: int
    negated: bool
    word: str
    values: list[tuple[int, str]]


class _Placed(InvalidFilter):
    """Its message names the place already."""


@contextmanager
def at(place: int, text: str | None) -> Iterator[None]:
    """What is wrong inside of the block is at this place, which the message says once somebody has the text."""
    try:
        yield
    except _Placed:
        raise
    except InvalidFilter as error:
        where = getattr(error, "place", place)
        if text is None:
            error.place = where  # type: ignore[attr-defined]
            raise
        raise placed(where, text, str(error)) from None


def placed(place: int, text: str, problem: str) -> InvalidFilter:
    """The error for a place in a text."""
    rest = text[place : place + _SHOWN]
    shown = f"{rest} …" if len(text) > place + _SHOWN else rest
    where = f"At character {place + 1}, {shown!r}" if rest else "At its end"
    return _Placed(f"{where}: {problem}")


def terms_in(text: object) -> Iterator[Term]:
    """The terms of a text. Raises InvalidFilter, with the place."""
    if not isinstance(text, str):
        raise InvalidFilter(f"{text!r:.60} is no filter: give a text such as 'state:failed since:2h'.")
    if len(text) > TEXT_MAX:
        raise InvalidFilter(f"The filter has {len(text):,} characters ({text[:40]!r} …): the most is {TEXT_MAX:,}.")
    for place, char in enumerate(text):
        if not char.isprintable() and char not in "\t\r\n":
            raise placed(place, text, f"the character {char!r} stands in no filter.")
    place = 0
    while True:
        while place < len(text) and text[place].isspace():
            place += 1
        if place == len(text):
            return
        term, place = _term(text, place)
        yield term


def _term(text: str, start: int) -> tuple[Term, int]:
    """The term that begins there, and where it ends."""
    negated = text[start] == "-"
    word, place = _word(text, start + negated)
    values = []
    while True:
        begins = place
        value, place = _value(text, place)
        if not value:
            raise placed(begins, text, f"{word} has no value there: write {word}:VALUE, or {word}:* for any at all.")
        values.append((begins, value))
        if text[place : place + 1] != ",":
            return Term(start, negated, word, values), place
        place += 1


def _word(text: str, start: int) -> tuple[str, int]:
    """What stands before the colon, with its backslashes, and where the value begins."""
    place = start
    while place < len(text) and not text[place].isspace():
        if text[place] == ":":
            if place == start:
                raise placed(start, text, "a field stands before the colon, as in state:failed.")
            return text[start:place], place + 1
        place += 2 if text[place] == "\\" else 1
    found = text[start:place]
    if not found:
        raise placed(start, text, "a minus stands just before its term, as in -state:failed.")
    raise placed(
        start,
        text,
        f"{found[:_SHOWN]!r} says nothing about a field: write error:{found[:_SHOWN]} or func:*{found[:_SHOWN]}*, say.",
    )


def _value(text: str, start: int) -> tuple[str, int]:
    """A value as a pattern, and where it ends."""
    found: list[str] = []
    place, opened = start, -1
    while place < len(text):
        char = text[place]
        if char == "\\" and place + 1 < len(text):
            place += 1
            found.append(f"\\{text[place]}" if text[place] in _OF_PATTERNS else text[place])
        elif char == '"':
            opened = place if opened < 0 else -1
        elif opened < 0 and (char == "," or char.isspace()):
            break
        else:
            found.append(char)
        place += 1
    if opened >= 0:
        raise placed(
            opened, text, 'the quote that begins here does not end: write another ", or \\" for one that is meant.'
        )
    return "".join(found), place
