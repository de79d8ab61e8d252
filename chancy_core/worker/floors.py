"""Floors: how a claim stays cheap although the rows of claimed jobs are still in the index.

The problem: PostgreSQL keeps the index entry of a job that was claimed until vacuum removes it. Vacuum comes once a
minute, and not at all while anybody has an old transaction open. Until then a claim that begins at the front of the
queue steps over every one of those dead entries, at 0.03 to 0.15 µs each: after 450,000 jobs that is 70 ms a claim.

The cure: a worker remembers, for each queue and priority, the highest id that it has claimed. This is the floor of that
priority. The next claim asks for ids above the floors only, and for the priorities between the known ones, where jobs
of a new priority would be.

The price: a job may lie below a floor. Its transaction committed late, it was retried or promoted, or another worker
handed it back. Only a claim without floors finds it. Such a claim is called a sweep here. Floors are used in two cases,
and in both a sweep runs now and then, the more seldom the longer it takes:

* while claims come back full. There is enough to do above the floors, so a job below them waits for moments only.
* while sweeps take long.

In all other cases every claim is a sweep.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

from chancy_core.values.fields import PRIORITY_MAX, PRIORITY_MIN
from chancy_core.values.queuedjob import QueuedJob

LOWEST_ID: Final = uuid.UUID(int=0)
# What a sweep that does not come back full may cost beyond the cheapest one before it has to be spaced: as much as
# 50,000 dead entries. Below that, a worker with little to do finds every job at once.
DEAR_S: Final = 0.008
# Sweeps take at most one part in twenty of the time.
SPACING: Final = 20
# Each known priority is two more ranges to look into; beyond this many the index scan itself is the cheaper way.
PRIORITIES_MAX: Final = 32


class Ranges(NamedTuple):
    """The ranges of priorities that a claim looks through, in order, as `claim_jobs` takes them."""

    low: list[int]
    high: list[int]
    floor: list[uuid.UUID]


EVERYTHING: Final = Ranges([PRIORITY_MIN], [PRIORITY_MAX], [LOWEST_ID])


class Floors:
    """The floors of one queue, as one worker knows them."""

    def __init__(self) -> None:
        self._floors: dict[int, uuid.UUID] = {}
        self._cheapest_s = float("inf")
        self._dear = False
        self._next_sweep_at = 0.0

    def sweep_in_s(self, now: float) -> float:
        """Seconds until a sweep may run; 0 when it may run now."""
        return max(self._next_sweep_at - now, 0.0)

    def sweep_now(self) -> None:
        """Let the next claim be a sweep: something is known to lie below the floors."""
        self._next_sweep_at = 0.0

    def ranges(self, now: float) -> Ranges:
        """What the next claim looks through."""
        if now >= self._next_sweep_at or not self._floors or len(self._floors) > PRIORITIES_MAX:
            return EVERYTHING
        ranges = Ranges([], [], [])
        above = PRIORITY_MIN
        for priority in sorted(self._floors):
            if above < priority:
                _add(ranges, above, priority - 1, LOWEST_ID)
            _add(ranges, priority, priority, self._floors[priority])
            above = priority + 1
        if above <= PRIORITY_MAX:
            _add(ranges, above, PRIORITY_MAX, LOWEST_ID)
        return ranges

    def claimed(self, ranges: Ranges, jobs: Sequence[QueuedJob], *, full: bool, now: float, took_s: float) -> None:
        """Take note of a claim.

        Args:
            ranges: what it looked through.
            jobs: what it found, in the order of priorities and ids.
            full: whether that was as much as was wanted.
            now: when it ended, by a monotonic clock, in seconds.
            took_s: how long it took, in seconds.
        """
        self._cheapest_s = min(self._cheapest_s, took_s)
        if ranges is EVERYTHING:
            self._dear = took_s - self._cheapest_s > DEAR_S
            self._next_sweep_at = now + took_s * SPACING if full or self._dear else 0.0
        elif not full and not self._dear:
            self._next_sweep_at = 0.0
        # They come in the order of their ids, so the last of each priority is the highest.
        for priority, id_ in {job.priority: job.id for job in jobs}.items():
            if id_ > self._floors.get(priority, LOWEST_ID):
                self._floors[priority] = id_


def _add(ranges: Ranges, low: int, high: int, floor: uuid.UUID) -> None:
    ranges.low.append(low)
    ranges.high.append(high)
    ranges.floor.append(floor)
