"""Large values are encoded one after another, so that many of them at once do not hold up the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

# So much JSON may be made within one step of the loop, which takes it about a millisecond.
STEP_BYTES: Final = 1 << 17
# Encoding what is smaller takes no time.
LARGE: Final = 4096


class Turns:
    """Who may encode. One per event loop, or for each of those who encode much."""

    def __init__(self) -> None:
        self._bytes = 0
        self._line: deque[asyncio.Future[None]] = deque()

    def used_up(self) -> bool:
        """Whether so much has been encoded in this step that others should come first."""
        return self._bytes >= STEP_BYTES

    async def mine(self) -> None:
        """Wait for a later step, after those who wait already."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        await turn

    async def mine_or_now(self) -> None:
        """As `mine`; but whoever is cancelled meanwhile does not wait: what he has is there, and is to be kept."""
        with suppress(asyncio.CancelledError):
            await self.mine()

    def encoded(self, size_bytes: int) -> None:
        """Count what was made; no need to if it is not `LARGE`."""
        if not self._bytes:
            asyncio.get_running_loop().call_soon(self._next)
        self._bytes += size_bytes

    def _next(self) -> None:
        self._bytes = 0
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                # Until it has run, at the next step, nobody else begins.
                self._bytes = STEP_BYTES
                asyncio.get_running_loop().call_soon(self._next)
                return
