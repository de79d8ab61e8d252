"""The ids of jobs: UUIDv7 (RFC 9562), which grow with each push of a process."""

from __future__ import annotations

import uuid
from typing import Final

import uuid_utils

# The last 32 bits of an id are random; the counter that makes ids grow within a millisecond stands before them. Two
# processes whose counters and whose other 20 random bits agree in the same millisecond are not to be expected.
_DIGITS: Final = 3
RUN_MAX: Final = 16**_DIGITS


def new_id() -> str:
    """The id of a job."""
    return str(uuid_utils.uuid7())


class IdBlock:
    """Up to `RUN_MAX` ids that follow each other, made at the price of one. Ids made later are larger than all of them.

    Attributes:
        first: the first of them, as a number; the others are the numbers after it.
        prefix: what they have in common, as text.
    """

    __slots__ = ("first", "prefix")

    def __init__(self) -> None:
        made = uuid_utils.uuid7().int
        self.first: Final = made - made % RUN_MAX
        self.prefix: Final = str(uuid.UUID(int=self.first))[:-_DIGITS]


def suffix(number: int) -> str:
    """What follows the prefix in the id of this number in a run."""
    return f"{number:0{_DIGITS}x}"
