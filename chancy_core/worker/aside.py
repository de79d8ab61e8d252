"""Aside: outcomes that cannot be written now wait for a better day, so that they hold up no others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from chancy_core.values.queuedjob import Outcome
from chancy_core.worker.record import RunKey, run_key

# How long an outcome is set aside whose row is locked: at first, and at most.
FIRST_ASIDE_S: Final = 0.25
LONGEST_ASIDE_S: Final = 15.0


class Aside:
    """The outcomes of one worker that were set aside.

    Args:
        again: takes an outcome whose time has come, to be tried again.
    """

    def __init__(self, again: Callable[[Outcome], None]) -> None:
        self._again = again
        self._waiting: dict[RunKey, tuple[Outcome, asyncio.TimerHandle]] = {}
        # How often each was set aside, and why it was refused the last time, until it is written.
        self._times: Counter[RunKey] = Counter()
        self._refused_with: dict[RunKey, str] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def runs(self) -> set[RunKey]:
        """The runs whose outcomes wait."""
        return set(self._waiting)

    @property
    def remembers(self) -> bool:
        """Whether anything is known of outcomes that were set aside, now or before."""
        return bool(self._times)

    def put(self, outcome: Outcome, first_s: float = FIRST_ASIDE_S) -> float:
        """Try an outcome again after a while, each time a longer one. Returns the pause, in seconds."""
        run = run_key(outcome)
        self._times[run] += 1
        pause_s = min(first_s * float(2 ** min(self._times[run] - 1, 10)), LONGEST_ASIDE_S)
        timer = asyncio.get_running_loop().call_later(pause_s, self._put_again, outcome)
        self._waiting[run] = outcome, timer
        return pause_s

    def hurry(self) -> None:
        """Try all of them again now."""
        for outcome, timer in list(self._waiting.values()):
            timer.cancel()
            self._put_again(outcome)

    def times(self, outcome: Outcome) -> int:
        """How often an outcome was set aside."""
        return self._times[run_key(outcome)]

    def refused_anew(self, outcome: Outcome, why: str) -> bool:
        """Whether an outcome is refused for another reason than the last time; this one is remembered."""
        before, self._refused_with[run_key(outcome)] = self._refused_with.get(run_key(outcome)), why
        return before != why

    def forget(self, run: RunKey) -> None:
        """An outcome has been written."""
        self._times.pop(run, None)
        self._refused_with.pop(run, None)

    def _put_again(self, outcome: Outcome) -> None:
        del self._waiting[run_key(outcome)]
        self._again(outcome)
