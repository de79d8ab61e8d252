"""A duty is a loop that must not end: whatever it raises, it is started again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from chancy_core.log import log
from chancy_core.store.weather import is_weather, text_of

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
# While the database is out of reach a duty asks again so often: its connection sees to it that one attempt to connect
# serves all of them. And an outage is told again after so long.
WEATHER_PAUSE_S: Final = 1.0
SAY_AGAIN_S: Final = 60.0


async def keep(name: str, duty: Callable[[], Awaitable[None]]) -> None:
    """Run a duty for ever. A database out of reach is weather: it waits, and goes on.

    Ends when it is cancelled, or when the duty returns.
    """
    pause_s = FIRST_PAUSE_S
    said_at = float("-inf")
    loop = asyncio.get_running_loop()
    while True:
        started_at = loop.time()
        try:
            await duty()
        except Exception as error:  # noqa: BLE001 -- that is what this is for
            ended_at = loop.time()
            if ended_at - started_at > LONGEST_PAUSE_S:
                pause_s, said_at = FIRST_PAUSE_S, float("-inf")
            if not is_weather(error):
                log.error("duty_failed", duty=name, retry_in_s=round(pause_s, 2), exc_info=error)
            else:
                pause_s = min(pause_s, WEATHER_PAUSE_S)
                if ended_at - said_at > SAY_AGAIN_S:
                    said_at = ended_at
                    log.warning("database_lost", duty=name, error=text_of(error), retry_in_s=round(pause_s, 2))
        else:
            return
        # Jitter, so that fifty workers do not all come back at the same moment.
        await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


class Alarm:
    """Something a duty sleeps on: it wakes when it is rung, or when the time is over."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the sleeper, or make its next sleep end at once."""
        self._event.set()

    def silence(self) -> None:
        """Forget that it rang."""
        self._event.clear()

    async def sleep(self, seconds: float = float("inf")) -> bool:
        """Sleep until the alarm rings, at most so long; whether it rang."""
        if not self._event.is_set():
            try:
                async with asyncio.timeout(None if seconds == float("inf") else seconds):
                    await self._event.wait()
            except TimeoutError:
                return False
        self._event.clear()
        return True


def jittered(seconds: float) -> float:
    """About so many seconds: workers that started together must not poll together for ever."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311
