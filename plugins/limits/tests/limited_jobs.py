"""Functions that these tests run as jobs."""

import asyncio
import time


async def nap(seconds: float = 0.0) -> list[float]:
    """Sleeps; when it began and ended, by this machine's clock."""
    began = time.time()
    await asyncio.sleep(seconds)
    return [began, time.time()]


async def give_up() -> None:
    """Always fails."""
    raise ValueError
