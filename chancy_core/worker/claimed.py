"""Claimed: what a claim brought, read from its rows."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple, TypeAlias

from psycopg.rows import TupleRow

from chancy_core.store.storedjobs import readable_job
from chancy_core.values.queuedjob import QueuedJob

# So much JSON is read at a step, which holds the event loop for some milliseconds.
READ_BYTES: Final = 1 << 19
# Where `claim_jobs` returns the queue; and kwargs, meta and errors.
QUEUE: Final = 1
_TEXTS: Final = (2, 8, 16)

# Each job that was claimed, and what of its row cannot be read, if anything.
Found: TypeAlias = list[tuple[QueuedJob, str | None]]
Rows: TypeAlias = list[TupleRow]


class Claimed(NamedTuple):
    """What a claim brought.

    Attributes:
        jobs: the jobs.
        full: whether it took all that it was to take, so that there may be more.
        everywhere: whether it looked through the whole queue.
        used_up: whether a budget kept it from taking what there were slots for.
        again_in_s: then: in how many seconds that may have changed; None: nobody can tell.
    """

    jobs: list[QueuedJob]
    full: bool
    everywhere: bool
    used_up: bool = False
    again_in_s: float | None = None


def size_of(row: TupleRow) -> int:
    """How many characters of arguments, meta and errors a row has."""
    return sum(len(row[place]) for place in _TEXTS if row[place] is not None)


async def read_rows(rows: Rows) -> tuple[Found, int]:
    """The jobs in the rows of a claim, and how many characters of arguments, meta and errors they have."""
    found: Found = []
    size = read = 0
    for row in rows:
        found.append(readable_job(row))
        for place in _TEXTS:
            if row[place] is not None:
                size += len(row[place])
                if size - read > READ_BYTES:
                    read = size
                    await asyncio.sleep(0)
    return found, size
