"""The jobs that are measured: as little as possible happens in them."""

from __future__ import annotations

import time

from chancy import Job


async def nothing(*, n: int) -> None:
    """Does nothing, with a small argument."""


async def stamp(*, pushed_at: float) -> float:
    """Seconds from the push to this start. The monotonic clock is one for all processes of a Linux machine."""
    return time.monotonic() - pushed_at


NOTHING = f"{__name__}.nothing"
STAMP = f"{__name__}.stamp"


def nothings(count: int, **fields: object) -> list[Job]:
    return [Job(func=NOTHING, kwargs={"n": n}, **fields) for n in range(count)]
