"""The jobs that an action is about, as they were found: twenty-one bytes for each, because they may be millions."""

from __future__ import annotations

import uuid
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chancy_core.store.arrays import unquoted_array
from chancy_core.values.found import Hit
from chancy_core.values.queuedjob import State

_STATES: Final = [state.value for state in State]
_PLACE_OF: Final = {state: place for place, state in enumerate(_STATES)}
_ID_BYTES: Final = 16


class Batch:
    """Some jobs as they were found. Nearly all go to the database and come back as they were: so no object for each."""

    def __init__(self, ids: bytearray, states: bytearray, claims: Sequence[int]) -> None:
        self._ids: Final = ids
        self._states: Final = states
        self._claims: Final = claims

    @classmethod
    def of(cls, hits: Sequence[Hit]) -> Batch:
        """These."""
        ids = bytearray().join(hit.id.bytes for hit in hits)
        return cls(ids, bytearray(_PLACE_OF[hit.state] for hit in hits), [hit.claims for hit in hits])

    def __len__(self) -> int:
        return len(self._states)

    def params(self) -> dict[str, str]:
        """Three arrays, as statements take them."""
        ids = self._ids.hex()
        return {
            "ids": unquoted_array(ids[start : start + 2 * _ID_BYTES] for start in range(0, len(ids), 2 * _ID_BYTES)),
            "states": unquoted_array(_STATES[place] for place in self._states),
            "claims": unquoted_array(self._claims),
        }

    def hits(self) -> dict[uuid.UUID, Hit]:
        """Each of them, by its id."""
        ids = (self._ids[start : start + _ID_BYTES] for start in range(0, len(self._ids), _ID_BYTES))
        found = (
            Hit(uuid.UUID(bytes=bytes(id_)), _STATES[state], claims)
            for id_, state, claims in zip(ids, self._states, self._claims, strict=True)
        )
        return {hit.id: hit for hit in found}


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

    def batches(self, size: int) -> Iterator[Batch]:
        """All of them, so many at a time."""
        for start in range(0, len(self), size):
            end = min(start + size, len(self))
            yield Batch(
                self._ids[start * _ID_BYTES : end * _ID_BYTES], self._states[start:end], self._claims[start:end]
            )

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
