"""What a scenario is, and how it is measured: its subjects take turns, so that the machine's moods hit all of them."""

from __future__ import annotations

import statistics
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
        baseline: … and of what it is measured against.
        metric: which number of their samples.
        at_least: the target for the ratio subject / baseline, if more is better.
        at_most: the target, if less is better.
        enough: a value of the metric that passes whatever the ratio is.
        baseline_metric: if the baseline's number has another name.
        paired: the ratio is the median of each turn's own, for small differences on a machine of many moods; otherwise
            that of the medians.
    """

    what: str
    subject: str
    baseline: str
    metric: str = "jobs_s"
    at_least: float | None = None
    at_most: float | None = None
    enough: float | None = None
    baseline_metric: str | None = None
    paired: bool = False


@dataclass(frozen=True)
class Scenario:
    """Something to measure.

    Attributes:
        name: for the command line and the raw numbers.
        how: one line: what is timed, from when to when.
        subjects: what takes turns, by name; peers move in here.
        comparisons: the rows of the table.
        repeats: how often each subject is measured.
        around: what is open while it is measured, such as tables that are filled once.
    """

    name: str
    how: str
    subjects: Mapping[str, Subject]
    comparisons: Sequence[Comparison]
    repeats: int
    around: AbstractAsyncContextManager[object]


@dataclass
class Measured:
    """The samples of a scenario, by subject, in the order they were taken."""

    scenario: Scenario
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def values(self, subject: str, metric: str) -> list[float]:
        return [sample[metric] for sample in self.samples[subject]]

    def rows(self) -> Iterator[Row]:
        for comparison in self.scenario.comparisons:
            ours = self.values(comparison.subject, comparison.metric)
            base = self.values(comparison.baseline, comparison.baseline_metric or comparison.metric)
            turns = [one / other for one, other in zip(ours, base, strict=True) if other]
            yield Row(comparison, Spread.of(ours), Spread.of(base), turns)


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
    async with scenario.around:
        for turn in range(count):
            names = list(scenario.subjects)
            for name in names if turn % 2 == 0 else reversed(names):
                say(f"{scenario.name} {turn + 1}/{count}: {name}")
                measured.samples[name].append(await scenario.subjects[name]())
    return measured
