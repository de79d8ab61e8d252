"""Lists of words as people give them: any iterable will do, and a single word is no list of its letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from itertools import islice
from typing import Any


def listed(value: Any, most: int) -> Any:
    """A list of what an iterable has, a generator too. Anything else is returned as it is, for whoever refuses it.

    Args:
        value: what was given.
        most: how many there may be. Of what does not know its length one more is read, which is enough to see that
            there are too many.
    """
    if isinstance(value, str | bytes | bytearray | memoryview | Mapping) or not isinstance(value, Iterable):
        return value
    if isinstance(value, set | frozenset) and all(isinstance(one, str) for one in value):
        # Every process lists them alike, whatever its hashes are.
        return sorted(value)
    return list(value if isinstance(value, Sized) else islice(value, most + 1))
