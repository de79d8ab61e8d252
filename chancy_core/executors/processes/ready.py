"""Children that have their next job while one runs, and how it comes back if that one is not short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from chancy_core.executors.processes.children import Children
from chancy_core.executors.processes.handle import Child
from chancy_core.executors.processes.runs import SHORT_S
from chancy_core.values.queuedjob import QueuedJob


class Ready:
    """Which children of an executor may be sent a job ahead, and which have one.

    Args:
        children: all of them.
        came_back: called with each job that is taken back because the one before it goes on.
    """

    def __init__(self, children: Children, came_back: Callable[[QueuedJob], None]) -> None:
        self._children: Final = children
        self._came_back: Final = came_back
        # By their serial numbers; those that have no room any more are found out when they are looked at.
        self._may_have_room: dict[int, Child] = {}
        self._have_one: dict[int, Child] = {}
        self._timer: asyncio.TimerHandle | None = None

    def runs(self, child: Child) -> None:
        """It begins a job that has no limits."""
        self._may_have_room[child.serial] = child

    def child_with_room(self) -> Child | None:
        """A child whose job is short so far, with room behind it; None: there is none."""
        while self._may_have_room:
            serial, child = next(iter(self._may_have_room.items()))
            if self._children.has_room(child):
                return child
            del self._may_have_room[serial]
        return None

    def sent(self, child: Child) -> None:
        """It has been sent one: the others have their turn."""
        self._may_have_room[child.serial] = self._may_have_room.pop(child.serial)
        self._have_one[child.serial] = child
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SHORT_S, self._look)

    def ended(self, child: Child, *, anew: bool) -> None:
        """A job of it has ended; it may run the next one by now.

        Args:
            child: whose job that was.
            anew: the job was not begun, and is begun anew in the same slot: the next one has none.
        """
        if child.busy and (anew or self._children.too_large(child)):
            # It begins nothing more, and knows that as well.
            self._hand_back(child.take_back())
        if not child.busy:
            self._idle(child)

    def take_back(self) -> list[QueuedJob]:
        """Take back whatever has not begun."""
        back = []
        for child in list(self._have_one.values()):
            jobs = child.take_back_behind(long=False)
            if jobs and not child.busy:
                self._idle(child)
            back += jobs
        self._have_one.clear()
        return back

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _idle(self, child: Child) -> None:
        self._may_have_room.pop(child.serial, None)
        self._have_one.pop(child.serial, None)
        self._children.give_back(child)

    def _hand_back(self, jobs: list[QueuedJob]) -> None:
        """Each waits before all others, so the last one comes back first."""
        for job in reversed(jobs):
            self._came_back(job)

    def _look(self) -> None:
        """Take back what lies behind a job that goes on."""
        self._timer = None
        for child in list(self._have_one.values()):
            jobs = child.take_back_behind(long=True)
            if jobs and not child.busy:
                self._idle(child)
            if not child.has_ahead:
                self._have_one.pop(child.serial, None)
            self._hand_back(jobs)
        if self._have_one and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SHORT_S, self._look)
