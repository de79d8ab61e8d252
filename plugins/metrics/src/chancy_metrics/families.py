"""Counters and histograms that take a whole batch at a time.

The client's own are made for one observation a call: a lock and a walk over the buckets for each. At tens of thousands
of jobs a second that is a tenth of a core, so these are counted here and handed to the client when it collects. They
have no lock of their own; `Recorder` has one for all of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily


class Counts:
    """A counter for each set of label values.

    Args:
        name: without `_total`, which the client adds.
        text: what it counts.
        labels: the names of its labels.
    """

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name: Final = name
        self._text: Final = text
        self._labels: Final = tuple(labels)
        self._values: dict[tuple[str, ...], int] = {}

    def add(self, amount: int, *labels: str) -> None:
        """Count `amount` more; 0 makes the series known, so that its first increase is seen as one."""
        self._values[labels] = self._values.get(labels, 0) + amount

    def family(self) -> CounterMetricFamily:
        """Where it stands."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, value in sorted(self._values.items()):
            family.add_metric(labels, value)
        return family


class Spread:
    """A histogram for each queue.

    Args:
        name: with its unit.
        text: what is observed.
        bounds: the upper ends of its buckets, ascending.
    """

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        self._name: Final = name
        self._text: Final = text
        self._bounds: Final = tuple(bounds)
        self._names: Final = [*(repr(float(bound)) for bound in bounds), "+Inf"]
        # For each queue: how many values each bucket took, without those of the buckets below it.
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, queue: str, values: list[float]) -> None:
        """Observe values, one at least; the list may be sorted in place."""
        counts = self._counts.get(queue)
        if counts is None:
            counts = self._counts[queue] = [0] * len(self._names)
        self._sums[queue] = self._sums.get(queue, 0.0) + sum(values)
        low, high = bisect_left(self._bounds, min(values)), bisect_left(self._bounds, max(values))
        if low == high:
            # The values of a batch are mostly alike.
            counts[low] += len(values)
            return
        # Sorting lets each bucket be one look-up, instead of each value a walk over the buckets.
        values.sort()
        below = 0
        for index in range(low, high):
            upto = bisect_right(values, self._bounds[index], below)
            counts[index] += upto - below
            below = upto
        counts[high] += len(values) - below

    def family(self) -> HistogramMetricFamily:
        """Where it stands."""
        family = HistogramMetricFamily(self._name, self._text, labels=["queue"])
        for queue, counts in sorted(self._counts.items()):
            buckets = list(zip(self._names, map(float, accumulate(counts)), strict=True))
            family.add_metric([queue], buckets, self._sums[queue])
        return family
