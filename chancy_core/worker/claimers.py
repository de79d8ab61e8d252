"""Claimers: one for each queue that is claimed from now, each in a task of its own, and who is to wake it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from chancy_core.worker.claim import Claimer
from chancy_core.worker.duty import keep
from chancy_core.worker.lane import Lane


class Claimers:
    """The claimers of one worker.

    Args:
        make: makes the claimer of a lane.
    """

    def __init__(self, make: Callable[[Lane], Claimer]) -> None:
        self._make = make
        self._claimers: dict[str, Claimer] = {}
        self._claiming: dict[str, asyncio.Task[None]] = {}
        # Cancelled, but a claim may be in flight, whose jobs still come into the lane.
        self._leaving: dict[str, asyncio.Task[None]] = {}

    @property
    def queues(self) -> list[str]:
        """The queues that are claimed from now."""
        return list(self._claimers)

    @property
    def failing_s(self) -> float:
        """For how long no claim from any queue has succeeded, for another reason than weather; in seconds."""
        since = [claimer.failing_since for claimer in self._claimers.values()]
        if not since or None in since:
            return 0.0
        return time.monotonic() - max(moment for moment in since if moment is not None)

    def knows(self, queue: str) -> bool:
        """Whether a queue is claimed from, or a last claim from it may be in flight."""
        return queue in self._claiming or queue in self._leaving

    def start(self, queue: str, lane: Lane) -> None:
        """Claim from a queue, into its lane, for ever."""
        claimer = self._claimers[queue] = self._make(lane)
        self._claiming[queue] = asyncio.create_task(keep(f"claim {queue}", claimer.run), name=f"chancy.claim.{queue}")

    def stop(self, queue: str, left: Callable[[], None]) -> None:
        """Claim from a queue no more, and call `left` when no claim from it is in flight either."""
        task = self._leaving[queue] = self._claiming.pop(queue)
        del self._claimers[queue]
        task.cancel()

        def ended(_: asyncio.Task[None]) -> None:
            del self._leaving[queue]
            left()

        task.add_done_callback(ended)

    async def left(self) -> None:
        """Wait for the claims in flight of queues that are claimed from no more."""
        if self._leaving:
            await asyncio.wait(self._leaving.values())

    def wake(self, queue: str, *, below_floors: bool) -> None:
        """Let a queue's claimer look for jobs now."""
        claimer = self._claimers.get(queue)
        if claimer is not None:
            claimer.wake(below_floors=below_floors)

    def wake_all(self) -> None:
        """Let every claimer look for jobs now, wherever they may be."""
        for claimer in self._claimers.values():
            claimer.wake(below_floors=True)

    def place_freed(self, queue: str, *, within_s: float = 0.0) -> None:
        """A job of a queue ended somewhere: let its claimer look soon, if it waits for that."""
        claimer = self._claimers.get(queue)
        if claimer is not None:
            claimer.place_freed(within_s=within_s)

    def ready_seen(self, ready: Collection[str]) -> None:
        """It was looked whether the queues have jobs, and these do."""
        for queue, claimer in self._claimers.items():
            if queue in ready:
                claimer.wake(below_floors=True)
            else:
                claimer.nothing_waits()
