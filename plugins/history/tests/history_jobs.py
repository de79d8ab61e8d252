"""Jobs that the tests run."""

import asyncio

from chancy import Cancel, Snooze


async def nothing(*, n: int = 0) -> None:
    """Succeeds."""


async def other() -> None:
    """Succeeds, too."""


async def fail() -> None:
    """Fails."""
    raise ValueError("no")


async def cancel() -> None:
    """Wants no other attempt."""
    raise Cancel("not needed")


async def snooze() -> None:
    """Comes back, and again."""
    raise Snooze(3600)


async def nap() -> None:
    """Takes a fifth of a second."""
    await asyncio.sleep(0.2)
