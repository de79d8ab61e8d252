"""Drain: run what waits to be run, one job after the other, until nothing waits any more.

It is written once, as steps: whoever goes through them awaits what is to be awaited, and runs the jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from chancy_core.app.given import check_queue_name
from chancy_core.errors import ChancyError, InvalidJob, PluginError
from chancy_core.executors import Report
from chancy_core.testing.bench import Bench
from chancy_core.values.queue import DEFAULT_QUEUE, Queue
from chancy_core.values.queuedjob import Outcome, QueuedJob, State
from chancy_core.worker.deciding import decide

# How many jobs are claimed before the first of them is run: as many as a worker has slots.
CLAIM_MAX: Final = 100
# A drain that has run so many jobs has most likely found one that pushes itself.
AT_MOST: Final = 10_000


class Await(NamedTuple):
    """A step that is awaited."""

    call: Callable[[], Awaitable[Any]]


class RunJob(NamedTuple):
    """A step that runs a job; answered with the report."""

    job: QueuedJob
    queue: Queue


Steps: TypeAlias = Generator[Await | RunJob, Any, Any]


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """What a drain has run.

    Attributes:
        outcomes: how each run ended, in the order of the runs.
        now: what time it was at its end, by the clock that the jobs saw.
    """

    outcomes: tuple[Outcome, ...]
    now: datetime

    def count(self, state: State) -> int:
        """How many runs ended so."""
        return sum(outcome.state is state for outcome in self.outcomes)

    @property
    def succeeded(self) -> int:
        """How many jobs succeeded."""
        return self.count(State.SUCCEEDED)

    @property
    def failed(self) -> int:
        """How many jobs failed for good."""
        return self.count(State.FAILED)

    @property
    def cancelled(self) -> int:
        """How many jobs were cancelled by their own run."""
        return self.count(State.CANCELLED)

    @property
    def retried(self) -> int:
        """How many runs were followed by a wait: for a retry, or because the job snoozed."""
        return self.count(State.RETRYING)

    def __len__(self) -> int:
        return len(self.outcomes)

    def __repr__(self) -> str:
        counts = Counter(str(outcome.state) for outcome in self.outcomes)
        return f"<Drained: {', '.join(f'{count} {state}' for state, count in counts.items()) or 'nothing'}>"


class Drain:
    """One drain.

    Args:
        bench: claims and records.
        queue: only jobs of this queue are run; None: of all.
        until: what is due by then is run as well, each when its time has come; None: what is due now.
        recursive: whether those jobs are run, too, that are pushed by the jobs that are run.
        raise_: whether it raises, at its end, what a job has raised that is not tried again by then.
        at_most: how many jobs it runs.
    """

    def __init__(
        self,
        bench: Bench,
        *,
        queue: str | None = None,
        until: datetime | timedelta | None = None,
        recursive: bool = True,
        raise_: bool = True,
        at_most: int = AT_MOST,
    ) -> None:
        self._bench: Final = bench
        if queue is not None:
            check_queue_name(queue)
        self._queue: Final = queue
        self._until: Final = _checked(until)
        self._recursive: Final = recursive
        self._raise: Final = raise_
        self._left = at_most
        self._at_most: Final = at_most
        self._outcomes: list[Outcome] = []
        # What was raised, by the ids of the jobs whose latest run it was.
        self._raised: dict[Any, tuple[QueuedJob, BaseException]] = {}

    def steps(self) -> Steps:
        """Drain. Returns what was run."""
        bench = self._bench
        hooks = dict(bench.failures)
        queue = self._queue
        if queue is not None and queue != DEFAULT_QUEUE:
            yield Await(lambda: bench.check_queue(queue))
        yield Await(bench.start)
        try:
            until = self._moment(bench.clock.now)
            if self._recursive:
                while (yield from self._round(until)):
                    pass
            else:
                yield from self._once(until)
            now = bench.clock.now
        finally:
            yield Await(bench.stop)
        if self._raise:
            self._raise_first()
            self._raise_hook(hooks)
        return Drained(outcomes=tuple(self._outcomes), now=now)

    def _moment(self, now: datetime) -> datetime:
        if isinstance(self._until, timedelta):
            return now + self._until
        return now if self._until is None else max(now, self._until)

    # -- rounds ----------------------------------------------------------------------------

    def _round(self, until: datetime) -> Steps:
        """Run what can be claimed; if that is nothing, let happen what happens by itself. Whether to go on."""
        bench = self._bench
        jobs, again_in_s = yield from self._claimed()
        if jobs:
            yield from self._run(jobs)
            return True
        if (yield Await(bench.look_after)):
            return True
        yield Await(bench.tick)
        jobs, again_in_s = yield from self._claimed()
        if jobs:
            yield from self._run(jobs)
            return True
        later: datetime | None = yield Await(bench.next_moment)
        if again_in_s is not None:
            soon = bench.clock.now + timedelta(seconds=max(again_in_s, 0.001))
            later = soon if later is None else min(later, soon)
        if later is None or later > until:
            # What plugins wait for has no moment that the kernel knows of.
            later = until
        if later <= bench.clock.now:
            return False
        yield Await(lambda: bench.move_clock(later))
        return True

    def _once(self, until: datetime) -> Steps:
        """Run what there is by then, and nothing that comes of it."""
        bench = self._bench
        yield Await(lambda: bench.move_clock(until))
        while (yield Await(bench.look_after)):
            pass
        all_jobs: list[tuple[QueuedJob, Queue]] = []
        while True:
            jobs, _ = yield from self._claimed()
            if not jobs:
                break
            all_jobs += jobs
        yield from self._run(all_jobs)
        yield Await(bench.look_after)

    def _claimed(self) -> Steps:
        """Claim of each queue what there is, and in how many seconds a limit lets more be claimed."""
        bench = self._bench
        found: list[tuple[QueuedJob, Queue]] = []
        again_in_s: float | None = None
        queues: list[Queue] = yield Await(lambda: bench.pending(self._queue))
        for queue in queues:
            jobs, again = yield Await(lambda queue=queue: bench.claim(queue, CLAIM_MAX))  # type: ignore[misc]
            found += [(job, queue) for job in jobs]
            if again is not None:
                again_in_s = again if again_in_s is None else min(again, again_in_s)
        return found, again_in_s

    # -- runs ------------------------------------------------------------------------------

    def _run(self, jobs: Sequence[tuple[QueuedJob, Queue]]) -> Steps:
        outcomes: list[Outcome] = []
        for job, queue in jobs:
            self._left -= 1
            if self._left < 0:
                # Those that have run are not to look as if they still did.
                yield from self._record(outcomes)
                raise ChancyError(
                    f"drain has run {self._at_most:,} jobs, and there are more, such as {job.func}. Does a job push "
                    "itself, or is one retried for ever? Give at_most= if there really are so many."
                )
            report: Report = yield RunJob(job, queue)
            outcomes.append(self._decided(job, report))
        yield from self._record(outcomes)

    def _record(self, outcomes: list[Outcome]) -> Steps:
        recorded = yield Await(lambda: self._bench.record(outcomes))
        self._outcomes += [outcome for outcome in outcomes if outcome not in recorded.stale]

    def _decided(self, job: QueuedJob, report: Report) -> Outcome:
        error = None if report.error is None else report.error.exception
        outcome = decide(job, report, None, self._bench.policy)
        if outcome.unrunnable:
            self._bench.unable.add(job.func)
        if error is not None and (outcome.error is not None or outcome.unrunnable):
            self._raised[job.id] = (job, error)
        else:
            self._raised.pop(job.id, None)
        return outcome

    def _raise_first(self) -> None:
        if not self._raised:
            return
        (job, error), *others = self._raised.values()
        error.add_note(_told(job, error))
        for other, its in others[:5]:
            error.add_note(f"Also {other.func} ({other.id}): {type(its).__name__}: {its}")
        raise error

    def _raise_hook(self, before: dict[Any, int]) -> None:
        for (plugin, hook), count in self._bench.failures.items():
            if count > before.get((plugin, hook), 0):
                raise PluginError(
                    f"The plugin {plugin!r} failed in {hook}: {self._bench.last_error(plugin)} A worker would have "
                    "gone on, and told its log. So does drain(raise_=False)."
                )


def _checked(until: Any) -> datetime | timedelta | None:
    if until is None or isinstance(until, timedelta):
        return until
    if not isinstance(until, datetime):
        raise InvalidJob(f"until is {until!r:.60}: give a datetime, or a timedelta from now on.")
    if until.tzinfo is None:
        raise InvalidJob(f"until is {until!r}, without a time zone: give one, as in datetime.now(UTC) + timedelta(…).")
    return until


def _told(job: QueuedJob, error: BaseException) -> str:
    attempts = f"attempt {job.attempts} of {job.max_attempts}"
    more = ""
    if job.attempts < job.max_attempts:
        more = " It would be tried again later: drain(until=…) goes on to then."
    return f"{type(error).__name__} was raised by the job {job.func} ({job.id}), in {attempts}.{more}"
