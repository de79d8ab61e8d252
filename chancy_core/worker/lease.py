"""Until when this worker may believe that its jobs are its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from chancy_core.log import log


class Lease:
    """The local view of a worker's lease. The heartbeat's thread prolongs it; the loop watches it.

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

    def renewed(self, sent_at: float) -> None:
        """A renewal that was sent then was accepted. On the loop."""
        self._until = sent_at + self.lease_s
        if not self._held.is_set():
            self._held.set()

    def taken(self) -> None:
        """The database no longer knows this worker: others have taken its jobs. On the loop."""
        self._until = 0.0
        self._lose("It was taken: the worker gave no sign of life for too long.")

    @property
    def is_held(self) -> bool:
        """Whether it is held now."""
        return self._held.is_set() and time.monotonic() < self._until

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
            log.error("lease_lost", reason=reason, lease_s=self.lease_s)
            self._on_lost()
