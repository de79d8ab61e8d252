"""Until when this worker may believe that its jobs are its own, and since when it has been sure without a break."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from chancy_core.log import log

# A renewal that comes later after the one before it than this part of the lease shows that something was wrong.
LATE: Final = 0.8


class Lease:
    """The local view of a worker's lease. The heartbeat and its standby prolong it; the loop watches it.

    It counts from the moment a renewal was *sent*, by this machine's monotonic clock, so it never
    outlasts the one in the database.

    Args:
        lease_s: how long a renewal is good for, in seconds.
        on_lost: called on the loop when it ran out, or was taken: stop the jobs.
    """

    def __init__(self, lease_s: float, on_lost: Callable[[], None]) -> None:
        self.lease_s = lease_s
        self._on_lost = on_lost
        self._until = 0.0
        self._held = asyncio.Event()
        self._renewed_at = float("-inf")
        # Since when renewals have come in time; None: the last attempt failed.
        self._steady_since: float | None = None
        #: How often it was lost so far.
        self.times_lost = 0

    def renewed(self, sent_at: float) -> None:
        """A renewal that was sent then was accepted. On the loop."""
        if self._steady_since is None or sent_at - self._renewed_at > self.lease_s * LATE:
            self._steady_since = time.monotonic()
        self._renewed_at = max(self._renewed_at, sent_at)
        self._until = self._renewed_at + self.lease_s
        if not self._held.is_set():
            self._held.set()

    def disturbed(self) -> None:
        """A renewal failed, for whatever reason: others may have fared alike. On the loop."""
        self._steady_since = None

    @property
    def is_held(self) -> bool:
        """Whether it is held now."""
        return self._held.is_set() and time.monotonic() < self._until

    @property
    def unsteady_s(self) -> float:
        """How long it takes, if nothing fails any more, until a whole lease has passed without a disturbance."""
        if self._steady_since is None or not self.is_held:
            return self.lease_s
        return max(self._steady_since + self.lease_s - time.monotonic(), 0.0)

    async def held(self) -> None:
        """Wait until the lease is held."""
        await self._held.wait()

    async def watch(self) -> None:
        """Notice when it runs out, for ever."""
        while True:
            await self._held.wait()
            left_s = self._until - time.monotonic()
            if left_s <= 0:
                self._lose("It could not be renewed in time.")
            else:
                await asyncio.sleep(left_s)

    def _lose(self, reason: str) -> None:
        if self._held.is_set():
            self._held.clear()
            self.times_lost += 1
            log.error("lease_lost", reason=reason, lease_s=self.lease_s)
            self._on_lost()
