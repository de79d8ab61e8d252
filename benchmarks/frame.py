"""What a scenario is, and how it is measured: its subjects take turns, so that the machine's moods hit all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

# What one measurement of one subject saw, by the name of the metric.
Sample = Mapping[str, float]
Subject = Callable[[], Awaitable[Sample]]


@dataclass(frozen=True)
class Comparison:
    """One row of the table: a metric of one subject against the same of another.

    Attributes:
        what: the row's first column.
        subject: the name of what is judged …
        baseline: … and of what it is measured against; of several names the best one that was measured.
        metric: which number of their samples.
        at_least: the target for the ratio subject / baseline, if more is better.
        at_most: the target, if less is better.
        enough: a value of the metric that passes whatever the ratio is.
        within: a value of the metric that it must not exceed, whatever the ratio is.
        baseline_metric: if the baseline's number has another name.
        paired: the ratio is the median of each turn's own, for small differences on a machine of many moods; otherwise
            that of the medians.
    """

    what: str
    subject: str
    baseline: str | Sequence[str]
    metric: str = "jobs_s"
    at_least: float | None = None
    at_most: float | None = None
    enough: float | None = None
    within: float | None = None
    baseline_metric: str | None = None
    paired: bool = False


@dataclass(frozen=True)
class Quantity:
    """A line of a table whose columns are the subjects; less is better.

    Attributes:
        what: the first column.
        metric: which number of the samples. A subject without it has an empty field.
        judged: whether the first subject is to be below all others.
    """

    what: str
    metric: str
    judged: bool = True


@dataclass(frozen=True)
class Scenario:
    """Something to measure.

    Attributes:
        name: for the command line and the raw numbers.
        how: one line: what is timed, from when to when.
        subjects: what takes turns, by name.
        comparisons: the rows of the table; one is left out if what it compares was not measured.
        repeats: how often each subject is measured …
        every: … except those that are slow, which are measured in every so manieth turn.
        budget_s: no further turn begins after this long, once there were two: slow machines measure less often.
        around: what is open while it is measured, such as tables that are filled once.
        quantities: the lines of a table of its own.
        series: what subjects saw over time, by name: rows of numbers, kept with the samples, for the plots.
    """

    name: str
    how: str
    subjects: Mapping[str, Subject]
    comparisons: Sequence[Comparison]
    repeats: int
    around: AbstractAsyncContextManager[object]
    every: Mapping[str, int] = field(default_factory=dict)
    budget_s: float | None = None
    quantities: Sequence[Quantity] = ()
    series: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)


@dataclass
class Measured:
    """The samples of a scenario, by subject, in the order they were taken."""

    scenario: Scenario
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def values(self, subject: str, metric: str) -> list[float]:
        return [sample[metric] for sample in self.samples.get(subject, ()) if metric in sample]

    def rows(self) -> Iterator[Row]:
        for comparison in self.scenario.comparisons:
            metric = comparison.baseline_metric or comparison.metric
            ours = self.values(comparison.subject, comparison.metric)
            names = [comparison.baseline] if isinstance(comparison.baseline, str) else comparison.baseline
            found = {name: Spread.of(values) for name in names if (values := self.values(name, metric))}
            if ours and found:
                best = min if comparison.at_most is not None else max
                name = best(found, key=lambda name: found[name].median)
                pairs = zip(ours, self.values(name, metric), strict=False)
                turns = [one / other for one, other in pairs if other]
                yield Row(comparison, Spread.of(ours), found[name], name, turns)


@dataclass(frozen=True)
class Spread:
    """A median, and how far the middle half of the samples lies apart, relative to it."""

    median: float
    relative: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        median = statistics.median(values)
        if len(values) < 2 or not median:
            return cls(median, 0.0)
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, (high - low) / median)


@dataclass(frozen=True)
class Row:
    comparison: Comparison
    ours: Spread
    base: Spread
    beside: str
    turns: Sequence[float]

    @property
    def ratio(self) -> float:
        if self.comparison.paired and self.turns:
            return statistics.median(self.turns)
        return self.ours.median / self.base.median if self.base.median else float("nan")

    @property
    def passed(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        target = self.comparison
        if target.within is not None:
            return self.ours.median <= target.within
        if target.enough is not None and self.ours.median >= target.enough:
            return True
        if target.at_least is not None:
            return self.ratio >= target.at_least
        if target.at_most is not None:
            return self.ratio <= target.at_most
        return None


async def measure(scenario: Scenario, repeats: int | None, say: Callable[[str], None]) -> Measured:
    """Let the subjects take turns, forwards and backwards in alternation."""
    measured = Measured(scenario, {name: [] for name in scenario.subjects})
    count = repeats or scenario.repeats
    start = time.monotonic()
    async with scenario.around:
        for turn in range(count):
            if turn >= 2 and scenario.budget_s is not None and time.monotonic() - start > scenario.budget_s:
                break
            names = [name for name in scenario.subjects if turn % scenario.every.get(name, 1) == 0]
            for name in names if turn % 2 == 0 else reversed(names):
                say(f"{scenario.name} {turn + 1}/{count}: {name}")
                measured.samples[name].append(await scenario.subjects[name]())
    return measured
