"""Hearing: what notifications and heartbeats tell, passed on to whoever has something to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chancy_core.worker.heartbeat import Signs

if TYPE_CHECKING:
    from chancy_core.worker.wiring import Parts

# Everyone who waits for a job to end hears of it at the same time; one of them can have its place.
ROOM_SPREAD_S: Final = 0.05


class Hearing:
    """The ears of one worker.

    Args:
        worker: the worker's name.
        parts: its duties.
    """

    def __init__(self, worker: str, parts: Parts) -> None:
        self._worker = worker
        self._parts = parts
        #: Whether somebody listens by now: before the worker runs, everybody looks anyway when they start.
        self.open = False

    def found(self, signs: Signs) -> None:
        """What a heartbeat found."""
        parts = self._parts
        parts.lanes.known_as(signs.declarations)
        parts.lanes.looked(signs.ready)
        if signs.due_in_s is not None:
            parts.promoter.due_in(signs.due_in_s)
        if signs.stopping:
            parts.canceller.ring()
        parts.rescuer.saw(living=signs.living, expired=signs.expired, lost_in_s=signs.lost_in_s)

    def hear(self, payload: str | None) -> None:
        """What a notification, or a duty of this worker, says; None: anything may have been missed."""
        parts = self._parts
        if payload is None:
            if self.open:
                parts.lanes.ring()
                parts.promoter.ring()
                parts.canceller.ring()
                parts.lanes.wake_all()
            return
        what, _, queue = payload.partition(":")
        if what == "ready":
            parts.lanes.wake(queue, below_floors=False)
        elif what == "back":
            parts.lanes.wake(queue, below_floors=True)
        elif what == "room":
            parts.lanes.make_room(queue, within_s=ROOM_SPREAD_S)
        elif what == "due":
            parts.promoter.ring()
        elif what == "queues":
            parts.lanes.ring()
        elif what == "cancel" and queue == self._worker:
            parts.canceller.ring()
