"""Large jobs are encoded one after another, so that many pushes at once do not hold up the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from chancy_core.store.jobrows import JobRow, weight

# So much JSON may be made within one step of the loop, which takes it about a millisecond.
STEP_BYTES: Final = 1 << 17


class Turns:
    """Who may encode. One per event loop."""

    def __init__(self) -> None:
        self._bytes = 0
        self._line: deque[asyncio.Future[None]] = deque()

    def used_up(self) -> bool:
        """Whether so much has been encoded in this step that others should come first."""
        return self._bytes > STEP_BYTES

    async def mine(self) -> None:
        """Wait for a later step, after those who wait already."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        await turn

    def encoded(self, row: JobRow) -> None:
        """Count what was made."""
        if not self._bytes:
            asyncio.get_running_loop().call_soon(self._next)
        self._bytes += weight(row)

    def _next(self) -> None:
        self._bytes = 0
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                # Until it has run, at the next step, nobody else begins.
                self._bytes = STEP_BYTES + 1
                asyncio.get_running_loop().call_soon(self._next)
                return
