"""What passes through the hooks of one process, counted by queue and function until it is written."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from chancy import Outcome, QueuedJob, State
from chancy_history.buckets import BUCKETS, fill

# No function can be imported by this name, and no queue be declared with it.
OTHER: Final = "(other)"
Name = tuple[str, str]


@dataclass(slots=True)
class Counted:
    """What happened to the jobs of one queue and function; the fields are columns.

    Attributes:
        started: runs that began.
        first: those of them that were the first of their job.
        succeeded: jobs that ended so.
        failed: jobs that ended so.
        cancelled: jobs that ended so.
        retried: failed attempts that have another one to come.
        returned: runs that were given back with no attempt spent.
        wait_s: seconds that all first runs had waited for.
        run_s: seconds that all runs took.
        waits: how many first runs had waited for how long.
        runs: how many runs took how long.
    """

    started: int = 0
    first: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    returned: int = 0
    wait_s: float = 0.0
    run_s: float = 0.0
    waits: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    runs: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, other: Counted) -> None:
        """Count what the other one has counted."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            together = [a + b for a, b in zip(mine, theirs, strict=True)] if isinstance(mine, list) else mine + theirs
            setattr(self, each.name, together)

    def begin(self, jobs: Sequence[QueuedJob]) -> None:
        """Jobs were claimed, by one statement."""
        self.started += len(jobs)
        waits = _waits_s(jobs)
        if waits:
            self.first += len(waits)
            self.wait_s += sum(waits)
            fill(self.waits, waits)

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Runs have ended."""
        states = [outcome.state for outcome in outcomes]
        succeeded = states.count(State.SUCCEEDED)
        self.succeeded += succeeded
        runs = [outcome.run_s for outcome in outcomes]
        if succeeded < len(outcomes):
            failed, cancelled = states.count(State.FAILED), states.count(State.CANCELLED)
            self.failed += failed
            self.cancelled += cancelled
            # What was given back did not run to an end, and says nothing about how long its function takes.
            ran = [outcome for outcome in outcomes if outcome.attempt_spent or outcome.state.finished]
            self.returned += len(outcomes) - len(ran)
            self.retried += len(ran) - succeeded - failed - cancelled
            runs = [outcome.run_s for outcome in ran]
        if runs:
            self.run_s += sum(runs)
            fill(self.runs, runs)


class Recorder:
    """Counts until somebody takes what was counted. Hooks and ticks of several workers may share it: it has a lock.

    Args:
        most: how many pairs of a queue and a function are kept apart between two takings. Whatever comes later is
            counted as the function `(other)` of its queue, and beyond as many queues again, of the queue `(other)`.
    """

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._lock: Final = threading.Lock()
        self._counted: dict[Name, Counted] = {}

    def claimed(self, jobs: Sequence[QueuedJob]) -> None:
        """A batch was claimed; it is of one queue."""
        queue = jobs[0].queue
        batches = _by(jobs, [job.func for job in jobs])
        with self._lock:
            for func, batch in batches.items():
                self._of(queue, func).begin(batch)

    def recorded(self, outcomes: Sequence[Outcome]) -> None:
        """A batch of runs has ended, and that is recorded."""
        batches = {
            (queue, func): batch
            for queue, of_queue in _by(outcomes, [outcome.job.queue for outcome in outcomes]).items()
            for func, batch in _by(of_queue, [outcome.job.func for outcome in of_queue]).items()
        }
        with self._lock:
            for (queue, func), batch in batches.items():
                self._of(queue, func).end(batch)

    def take(self) -> dict[Name, Counted]:
        """What was counted since it was last taken."""
        with self._lock:
            taken, self._counted = self._counted, {}
            return taken

    def _of(self, queue: str, func: str) -> Counted:
        for name, most in (((queue, func), self._most), ((queue, OTHER), 2 * self._most)):
            found = self._counted.get(name)
            if found is not None:
                return found
            if len(self._counted) < most:
                return self._counted.setdefault(name, Counted())
        return self._counted.setdefault((OTHER, OTHER), Counted())


def rows_of(taken: Mapping[Name, Counted]) -> list[dict[str, Any]]:
    """A row for each queue and function."""
    return [{"queue": queue, "func": func, **asdict(counted)} for (queue, func), counted in taken.items()]


def _by(items: Sequence[Any], names: list[str]) -> Mapping[str, Sequence[Any]]:
    """The items of each name. Batches are mostly of one: seen without a look into a dictionary for each."""
    if names.count(names[0]) == len(names):
        return {names[0]: items}
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for name, item in zip(names, items, strict=True):
        found[name].append(item)
    return found


def _waits_s(jobs: Sequence[QueuedJob]) -> list[float]:
    """How long each waited for its first start; a later claim follows a retry, a rescue or a hand-back."""
    # One statement claimed them, at one time.
    started, pushed = jobs[0].started_at, jobs[0].created_at
    if started is None:
        return []
    if pushed is not None and pushed == jobs[-1].created_at:
        # What a bulk push stored waited for the same time: asked for once.
        alike = [job for job in jobs if job.created_at == pushed and job.claims == 1 and job.scheduled_at is None]
        if len(alike) == len(jobs):
            return [max((started - pushed).total_seconds(), 0.0)] * len(jobs)
    waits = []
    for job in jobs:
        since, due = job.created_at, job.scheduled_at
        if job.claims == 1 and since is not None:
            waits.append((started - (since if due is None or due < since else due)).total_seconds())
    return [max(wait, 0.0) for wait in waits] if waits and min(waits) < 0 else waits
