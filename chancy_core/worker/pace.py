"""Pace: how many jobs beyond its slots a lane may claim, so that short jobs need not wait for each claim.

While jobs are so short that all slots are free again before a claim has answered, a claim for the free slots only
leaves the worker idle for as long as it takes, and costs a commit for few jobs. So a lane then claims what it will have
started within moments. Jobs that run longer are never claimed ahead, however many of them end at a time: they run where
there is a slot. A job that is more urgent than those claimed ahead waits for them, moments again; a queue with a single
slot, where order is likely to matter, never claims ahead.
"""

from __future__ import annotations

import time
from typing import Final

# A lane holds as many jobs, running and waiting for a slot, as end in this time at the present pace. The slots hold
# some of them; the others are what is claimed ahead. It is much longer than a claim takes (some milliseconds), because
# several workers on one machine share its pace: with so short a time, each would claim only a few jobs at once.
AHEAD_S: Final = 0.15
# And at most so many jobs for each slot beyond the first: those of a killed worker have spent an attempt, begun or not.
AHEAD_PER_SLOT: Final = 8
# But so many for any number of slots beyond the first, or two of them would claim ten jobs at a time: a claim of forty
# costs hardly more.
AHEAD_LEAST: Final = 32
# Jobs that run longer than this on the average are not short: a claim costs little beside them.
SHORT_S: Final = 0.02
# The pace is the slower one of two spans of at least so long, because jobs that began together end together, and one
# span alone may hold nothing but such an end.
SPAN_S: Final = 0.01


class Pace:
    """How many jobs of one lane end in a second, and how long they ran."""

    def __init__(self) -> None:
        self._ended = 0
        self._ran_s = 0.0
        self._since = time.monotonic()
        self._per_s = self._per_s_before = 0.0
        self._short = False

    def ended(self, run_s: float) -> None:
        """A job has ended that ran so long."""
        self._ended += 1
        self._ran_s += run_s

    def ahead(self, concurrency: int) -> int:
        """How many jobs may be claimed beyond the free slots of so many."""
        now = time.monotonic()
        if now - self._since >= SPAN_S:
            self._per_s_before, self._per_s = self._per_s, self._ended / (now - self._since)
            if self._ended:
                self._short = self._ran_s / self._ended < SHORT_S
            self._ended, self._ran_s, self._since = 0, 0.0, now
        if not self._short:
            return 0
        soon = int(min(self._per_s, self._per_s_before) * AHEAD_S)
        most = max((concurrency - 1) * AHEAD_PER_SLOT, AHEAD_LEAST) if concurrency > 1 else 0
        return max(0, min(soon - concurrency, most))
