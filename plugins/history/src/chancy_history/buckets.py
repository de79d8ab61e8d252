"""How many values were how large, in buckets that never change: those of two workers, or of two hours, can be added."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

# Upper ends in seconds, three for each factor of ten where most jobs are. The last bucket has no end. The tables check
# how many there are, and rows that were written are not changed: other bounds would be a migration.
BOUNDS_S: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    *(60.0, 300.0, 900.0, 3600.0, 14_400.0),
)
BUCKETS: Final = len(BOUNDS_S) + 1


def fill(counts: list[int], values: list[float]) -> None:
    """Count values, one at least; the list may be sorted in place."""
    low, high = bisect_left(BOUNDS_S, min(values)), bisect_left(BOUNDS_S, max(values))
    if low == high:
        # The values of a batch are mostly alike.
        counts[low] += len(values)
        return
    # Sorting lets each bucket be one look-up, instead of each value a walk over the buckets.
    values.sort()
    below = 0
    for index in range(low, high):
        upto = bisect_right(values, BOUNDS_S[index], below)
        counts[index] += upto - below
        below = upto
    counts[high] += len(values) - below


def quantile(counts: Sequence[int], share: float) -> float | None:
    """What `share` of the values were no larger than: within its bucket in proportion.

    Returns:
        Seconds; the lower end of the last bucket if it lies there; None if nothing was counted.
    """
    total = sum(counts)
    if not total:
        return None
    wanted = share * total
    for index, upto in enumerate(accumulate(counts)):
        if upto >= wanted and counts[index]:
            low = BOUNDS_S[index - 1] if index else 0.0
            if index == len(BOUNDS_S):
                return low
            return low + (BOUNDS_S[index] - low) * (wanted - (upto - counts[index])) / counts[index]
    return BOUNDS_S[-1]
