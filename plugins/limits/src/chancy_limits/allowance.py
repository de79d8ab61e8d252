"""What a queue's limits leave, and what that means for a claim. No I/O."""

from __future__ import annotations

from typing import Final, NamedTuple

from chancy.plugin import Budget

# A worker asks no more often than so many times in a window …
ASKS_PER_WINDOW: Final = 50
# … and need not wait longer than this: a long window is no reason to be late by seconds.
PAUSE_MAX_S: Final = 0.1


class Allowance(NamedTuple):
    """What a queue's limits leave.

    Attributes:
        may_start: how many jobs may start now, below 0 when the limit was lowered; None without a rate limit.
        again_in_s: in how many seconds the first start leaves the window; None: there is none in it.
        window_s: the window of the rate limit.
        may_run: how many more may run now; None without a global concurrency.
    """

    may_start: int | None
    again_in_s: float | None
    window_s: float
    may_run: int | None

    def budget(self, wanted: int) -> Budget:
        """What a worker that wants so many jobs may claim."""
        limits = [limit for limit in (self.may_start, self.may_run) if limit is not None]
        count = max(min([wanted, *limits]), 0)
        # When running jobs will end, nobody knows; the kernel asks again as soon as one has.
        waits_for_rate = self.may_start is not None and (self.may_run is None or self.may_start < self.may_run)
        return Budget(count, self._pause_s() if waits_for_rate else None)

    def _pause_s(self) -> float:
        """Until the first start leaves the window. Starts that leave soon after it are taken together with it."""
        first_s = self.window_s if self.again_in_s is None else self.again_in_s
        return max(first_s, min(self.window_s / ASKS_PER_WINDOW, PAUSE_MAX_S))
