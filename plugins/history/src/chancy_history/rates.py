"""What is read: values, and how they are made of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chancy_history.buckets import quantile
from chancy_history.recorder import Counted


@dataclass(frozen=True, slots=True)
class Rate:
    """What the jobs of a queue, a function, or both did in a time.

    Attributes:
        queue: the queue; None where only functions are told apart.
        func: the function; None where only queues are told apart; `(other)` for those that no worker counted by name.
        started: runs that began.
        succeeded: jobs that ended so by a run.
        failed: jobs that ended so by a run.
        cancelled: jobs that ended so by a run.
        retried: failed attempts that have another one to come.
        returned: runs that were given back with no attempt spent.
        finished: jobs that ended by a run, however.
        failing: the share of runs that failed, retried ones included; None if none came to its end.
        in_per_s: jobs a second that came to wait for a worker; None where functions are told apart, while it is not
            known how many waited, or where that was too many to be counted.
        started_per_s: runs a second that began.
        out_per_s: jobs a second that ended by a run.
        wait_mean_s: how long first runs had waited; None: there were none.
        wait_p50_s: half of them had not waited longer.
        wait_p95_s: 95 of a hundred had not waited longer.
        wait_p99_s: 99 of a hundred had not waited longer.
        run_mean_s: how long runs took; None: none has ended.
        run_p50_s: half of them took no longer.
        run_p95_s: 95 of a hundred took no longer.
        run_p99_s: 99 of a hundred took no longer.
        trend: jobs a second that ended by a run, in each of the steps of `Rates`, the oldest first.
    """

    queue: str | None
    func: str | None
    started: int
    succeeded: int
    failed: int
    cancelled: int
    retried: int
    returned: int
    finished: int
    failing: float | None
    in_per_s: float | None
    started_per_s: float
    out_per_s: float
    wait_mean_s: float | None
    wait_p50_s: float | None
    wait_p95_s: float | None
    wait_p99_s: float | None
    run_mean_s: float | None
    run_p50_s: float | None
    run_p95_s: float | None
    run_p99_s: float | None
    trend: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of a time.

    Attributes:
        since: when it begins: at a full minute, or hour; later than was asked for if nothing was counted before.
        until: when it ends: now, by the database's clock.
        step_s: how long each step of a `trend` is, in seconds; the first and the last may be shorter.
        rows: one for each queue, function, or both, that did anything; those that ended most jobs first.
    """

    since: datetime
    until: datetime
    step_s: float
    rows: tuple[Rate, ...]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.until - self.since).total_seconds()


Key = tuple[str | None, str | None]
Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is asked for, and the part of it that something is known of."""

    since: datetime
    known_since: datetime
    until: datetime
    step_s: float

    @property
    def seconds(self) -> float:
        """How long the known part is; a second at least, so that nothing is divided by hardly anything."""
        return max((self.until - self.known_since).total_seconds(), 1.0)

    def steps(self) -> list[tuple[datetime, float]]:
        """The beginning of each step, and how many seconds of it are in the known part."""
        found, begin, step = [], self.since, timedelta(seconds=self.step_s)
        while begin < self.until:
            inside = min(begin + step, self.until) - max(begin, self.known_since)
            if inside > timedelta():
                found.append((begin, max(inside.total_seconds(), 1.0)))
            begin += step
        return found


def made_of(window: Window, rows: Sequence[Row], depths: Sequence[Row], *, by_queue: bool, by_func: bool) -> Rates:
    """Rates of the rows that `read_counts` and `read_depths` return."""
    by_key: dict[Key, dict[datetime, Counted]] = {}
    for step, queue, func, *columns in rows:
        by_key.setdefault((queue, func), {})[step] = Counted(*columns)
    steps = window.steps()
    grown = {queue: after - before for queue, before, after in depths if None not in (before, after)}
    told = {queue for queue, *_ in depths}
    if by_queue and not by_func:
        # A queue in which nothing runs has no rows, and may fill up all the same.
        for queue, count in grown.items():
            if count:
                by_key.setdefault((queue, None), {})
    made = []
    for key, counted in by_key.items():
        known = by_queue and not by_func and key[0] in told
        made.append(_rate(key, counted, steps, window.seconds, grown.get(str(key[0])) if known else None))
    made.sort(key=lambda rate: (-rate.finished, -rate.started, rate.queue or "", rate.func or ""))
    return Rates(window.known_since, window.until, window.step_s, tuple(made))


def _rate(
    key: Key,
    by_step: dict[datetime, Counted],
    steps: list[tuple[datetime, float]],
    seconds: float,
    grown: int | None,
) -> Rate:
    whole = Counted()
    for counted in by_step.values():
        whole.add(counted)
    finished = whole.succeeded + whole.failed + whole.cancelled
    ran, first, bad = sum(whole.runs), whole.first, whole.failed + whole.retried
    return Rate(
        queue=key[0],
        func=key[1],
        started=whole.started,
        succeeded=whole.succeeded,
        failed=whole.failed,
        cancelled=whole.cancelled,
        retried=whole.retried,
        returned=whole.returned,
        finished=finished,
        failing=bad / (finished + whole.retried) if finished + whole.retried else None,
        in_per_s=None if grown is None else max(whole.started + grown, 0) / seconds,
        started_per_s=whole.started / seconds,
        out_per_s=finished / seconds,
        wait_mean_s=whole.wait_s / first if first else None,
        wait_p50_s=quantile(whole.waits, 0.5),
        wait_p95_s=quantile(whole.waits, 0.95),
        wait_p99_s=quantile(whole.waits, 0.99),
        run_mean_s=whole.run_s / ran if ran else None,
        run_p50_s=quantile(whole.runs, 0.5),
        run_p95_s=quantile(whole.runs, 0.95),
        run_p99_s=quantile(whole.runs, 0.99),
        trend=tuple(_ended(by_step.get(begin)) / inside_s for begin, inside_s in steps),
    )


def _ended(counted: Counted | None) -> int:
    return 0 if counted is None else counted.succeeded + counted.failed + counted.cancelled
