"""Pace: how many jobs beyond its slots a lane may claim, so that short jobs need not wait for each claim.

While jobs are so short that all slots are free again before a claim has answered, a claim for the free slots only
leaves the worker idle for as long as it takes, and costs a commit for few jobs. So a lane then claims what it will have
started within moments. Jobs that take longer are never claimed ahead: they run where there is a slot. A job that is
more urgent than those claimed ahead waits for them, moments again; a queue with a single slot, where order is likely to
matter, never claims ahead.
"""

from __future__ import annotations

import time
from typing import Final

# Claimed ahead is what starts within this time at the present pace, slots that are free by then not counted.
AHEAD_S: Final = 0.04
# And at most so many jobs for each slot beyond the first: those of a killed worker have spent an attempt, begun or not.
AHEAD_PER_SLOT: Final = 4
# The pace is the slower one of two spans of at least so long, because jobs that began together end together, and one
# span alone may hold nothing but such an end.
SPAN_S: Final = 0.01


class Pace:
    """How many jobs of one lane end in a second."""

    def __init__(self) -> None:
        self._ended = 0
        self._since = time.monotonic()
        self._per_s = self._per_s_before = 0.0

    def ended(self) -> None:
        """A job has ended."""
        self._ended += 1

    def ahead(self, concurrency: int) -> int:
        """How many jobs may be claimed beyond the free slots of so many."""
        now = time.monotonic()
        if now - self._since >= SPAN_S:
            self._per_s_before, self._per_s = self._per_s, self._ended / (now - self._since)
            self._ended, self._since = 0, now
        soon = int(min(self._per_s, self._per_s_before) * AHEAD_S)
        return max(0, min(soon - concurrency, (concurrency - 1) * AHEAD_PER_SLOT))
