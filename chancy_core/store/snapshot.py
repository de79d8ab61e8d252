"""The jobs that an action is about, as they were found: twenty-one bytes for each, because they may be millions."""

from __future__ import annotations

import uuid
from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from chancy_core.values.found import Hit
from chancy_core.values.queuedjob import State

_STATES: Final = [state.value for state in State]
_PLACE_OF: Final = {state: place for place, state in enumerate(_STATES)}
_ID_BYTES: Final = 16


class Snapshot:
    """Jobs that were found, the highest id first."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._states = bytearray()
        self._claims = array("i")

    def __len__(self) -> int:
        return len(self._states)

    def add(self, hits: Iterable[Hit]) -> None:
        """Keep some more, whose ids are lower than all before."""
        for id_, state, claims in hits:
            self._ids += id_.bytes
            self._states.append(_PLACE_OF[state])
            self._claims.append(claims)

    def batches(self, size: int) -> Iterator[list[Hit]]:
        """All of them, so many at a time."""
        for start in range(0, len(self), size):
            yield [self._at(place) for place in range(start, min(start + size, len(self)))]

    def _at(self, place: int) -> Hit:
        return Hit(uuid.UUID(bytes=self._id(place)), _STATES[self._states[place]], self._claims[place])

    def _id(self, place: int) -> bytes:
        return bytes(self._ids[place * _ID_BYTES : (place + 1) * _ID_BYTES])

    def strangers(self, hits: Iterable[Hit], start: int = 0) -> tuple[int, int]:
        """How many of these are not among them, looking from a place on; and the place to go on from.

        Both are in the order of their ids, the highest first.
        """
        found = 0
        for hit in hits:
            wanted = hit.id.bytes
            while start < len(self) and self._id(start) > wanted:
                start += 1
            found += start == len(self) or self._id(start) != wanted
        return found, start
