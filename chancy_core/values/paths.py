"""Paths into `kwargs` and `meta`: names with dots between them; a backslash before a dot that belongs to a name."""

from __future__ import annotations

import re
from typing import Final

from chancy_core.errors import InvalidFilter
from chancy_core.values.ranges import NAME_MAX_LENGTH

_SEGMENT: Final = re.compile(r"((?:\\.|[^\\.])*)(\.|$)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
# What would end the path, or one of its names, where a filter is written as a text.
_SPECIAL: Final = re.compile(r'([\\.:",\s])')


def segments(field: str, path: object) -> tuple[str, ...]:
    """The names along a path. Raises InvalidFilter."""
    if not isinstance(path, str) or not path:
        raise InvalidFilter(f"{field} needs the name of what is in it, as in {field}.user:7.")
    if len(path) > NAME_MAX_LENGTH:
        raise InvalidFilter(
            f"The path {field}.{path[:40]} … has {len(path)} characters: the most is {NAME_MAX_LENGTH}."
        )
    if not path.isprintable():
        raise InvalidFilter(f"The path {field}.{path!r:.60} has a character that no filter may have.")
    found, start = [], 0
    while start <= len(path):
        matched = _SEGMENT.match(path, start)
        if matched is None or not matched[1]:
            raise InvalidFilter(
                f"The path {field}.{path[:60]} has an empty name in it: write {field}.name or {field}.a.b."
            )
        found.append(_ESCAPED.sub(r"\1", matched[1]))
        start = matched.end() + (not matched[2])
    return tuple(found)


def joined(names: tuple[str, ...]) -> str:
    """The path along these names, as a filter's text has it."""
    return ".".join(_SPECIAL.sub(r"\\\1", name) for name in names)
