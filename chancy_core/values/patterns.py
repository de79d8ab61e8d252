"""Patterns: texts in which `*` is any text and `?` any character; after a backslash each is itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from chancy_core.errors import InvalidFilter
from chancy_core.values.ranges import NAME_MAX_LENGTH

_SPECIAL: Final = "*?\\"
# What has to stand in quotes where a filter is written as a text.
_QUOTED: Final = re.compile(r'[\s,"]')


def checked(field: str, value: object) -> str:
    """A pattern in its one form, backslashes only where they are needed. Raises InvalidFilter."""
    if not isinstance(value, str):
        raise InvalidFilter(f"{field} is {value!r:.60}: give a text.")
    if not value.strip():
        raise InvalidFilter(f"{field} is empty: say what it is to be, '*' for anything at all.")
    if len(value) > NAME_MAX_LENGTH:
        raise InvalidFilter(f"{field} has {len(value)} characters ({value[:40]!r} …): the most is {NAME_MAX_LENGTH}.")
    if not value.isprintable():
        strange = next(char for char in value if not char.isprintable())
        raise InvalidFilter(f"{field} has the character {strange!r}, which no filter may have.")
    return "".join(f"\\{char}" if literal and char in _SPECIAL else char for char, literal in _read(value))


def like(pattern: str) -> str:
    """The pattern of SQL's LIKE, with its own backslashes, that matches the same."""
    return "".join(_like(char, literal=literal) for char, literal in _read(pattern))


def literal_of(pattern: str) -> str | None:
    """The one text that the pattern matches; None if it matches several."""
    read = list(_read(pattern))
    if any(not literal and char in "*?" for char, literal in read):
        return None
    return "".join(char for char, _ in read)


def escaped(text: str) -> str:
    """The pattern that matches this text only."""
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in text)


def written(pattern: str) -> str:
    """The pattern as it is written in a filter's text, in quotes if it has to be."""
    return '"' + pattern.replace('"', '\\"') + '"' if _QUOTED.search(pattern) else pattern


def _read(pattern: str) -> Iterator[tuple[str, bool]]:
    """Each character, and whether it is itself."""
    characters = iter(pattern)
    for char in characters:
        if char == "\\":
            yield next(characters, "\\"), True
        else:
            yield char, False


def _like(char: str, *, literal: bool) -> str:
    if not literal and char in "*?":
        return "%" if char == "*" else "_"
    return f"\\{char}" if char in "%_\\" else char
