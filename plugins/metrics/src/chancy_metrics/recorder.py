"""What passes through the hooks, counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client.core import Metric

from chancy import Job, Outcome, QueuedJob, State
from chancy_metrics.families import Counts, Spread
from chancy_metrics.labels import QueueLabels

# A push is chunked at 5,000 jobs, a claim takes at most 500, a write 1,000.
BATCH_BOUNDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
ENDS: Final = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Recorder:
    """Counters and histograms of one process. Pushes may come from any thread, so it has a lock.

    Args:
        labels: which queues have names.
        bounds_s: the buckets of durations, in seconds.
    """

    def __init__(self, labels: QueueLabels, bounds_s: Sequence[float]) -> None:
        self._labels: Final = labels
        self._lock: Final = threading.Lock()
        self._pushed: Final = Counts("chancy_jobs_pushed", "Jobs that were handed to push.", ["queue"])
        self._claimed: Final = Counts("chancy_jobs_claimed", "Jobs that this worker claimed.", ["queue"])
        self._finished: Final = Counts(
            "chancy_jobs_finished", "Jobs that came to their end on this worker, by outcome.", ["queue", "outcome"]
        )
        self._retried: Final = Counts(
            "chancy_jobs_retried", "Attempts that failed on this worker and will be retried.", ["queue"]
        )
        self._returned: Final = Counts(
            "chancy_jobs_returned", "Jobs that this worker gave back without spending an attempt.", ["queue"]
        )
        self._wait: Final = Spread(
            "chancy_job_wait_seconds",
            "From the push, or the time a job was scheduled for, to its first start, by the database's clock.",
            bounds_s,
        )
        self._run: Final = Spread("chancy_job_run_seconds", "How long one attempt ran.", bounds_s)
        self._push_batch: Final = Spread("chancy_push_batch_jobs", "Jobs for one queue in one push.", BATCH_BOUNDS)
        self._claim_batch: Final = Spread("chancy_claim_batch_jobs", "Jobs in one claim.", BATCH_BOUNDS)
        self._finish_batch: Final = Spread(
            "chancy_finish_batch_jobs", "Outcomes of one queue in one write.", BATCH_BOUNDS
        )

    def declare(self, queues: Iterable[str]) -> None:
        """Name the declared queues, each counter starting at 0."""
        with self._lock:
            self._labels.declare(queues)
            for queue in self._labels.shown:
                for counts in (self._pushed, self._claimed, self._retried, self._returned):
                    counts.add(0, queue)
                for state in ENDS:
                    self._finished.add(0, queue, state.value)

    def pushed(self, jobs: Sequence[Job]) -> None:
        """Jobs are about to be stored."""
        counts = Counter([job.queue for job in jobs])
        with self._lock:
            for queue, count in counts.items():
                label = self._labels.of(queue)
                self._pushed.add(count, label)
                self._push_batch.add(label, [count])

    def claimed(self, jobs: Sequence[QueuedJob]) -> None:
        """A batch was claimed."""
        waits = _waits_s(jobs)
        with self._lock:
            # A claim is of one queue.
            label = self._labels.admit(jobs[0].queue)
            self._claimed.add(len(jobs), label)
            self._claim_batch.add(label, [len(jobs)])
            if waits:
                self._wait.add(label, waits)

    def recorded(self, outcomes: Sequence[Outcome]) -> None:
        """Runs have ended, were accepted, and are recorded."""
        queues = [outcome.job.queue for outcome in outcomes]
        batches: dict[str, Sequence[Outcome]] = {queues[0]: outcomes}
        # Batches are mostly of one queue: seen without a look into a dictionary for each.
        if queues.count(queues[0]) < len(queues):
            batches = {each: [o for o in outcomes if o.job.queue == each] for each in sorted(set(queues))}
        with self._lock:
            for queue, batch in batches.items():
                self._record(self._labels.admit(queue), batch)

    def _record(self, label: str, batch: Sequence[Outcome]) -> None:
        self._finish_batch.add(label, [len(batch)])
        states = [outcome.state for outcome in batch]
        ended = 0
        for state in ENDS:
            if count := states.count(state):
                self._finished.add(count, label, state.value)
                ended += count
        if ended == len(batch):
            self._run.add(label, [outcome.run_s for outcome in batch])
            return
        # What was given back did not run to an end, and says nothing about how long its function takes.
        ran = [outcome for outcome in batch if outcome.attempt_spent]
        retried = sum(outcome.state not in ENDS for outcome in ran)
        self._retried.add(retried, label)
        self._returned.add(len(batch) - ended - retried, label)
        if ran:
            self._run.add(label, [outcome.run_s for outcome in ran])

    def collect(self) -> list[Metric]:
        """Everything as it stands now."""
        with self._lock:
            return [
                each.family()
                for each in (
                    self._pushed,
                    self._claimed,
                    self._finished,
                    self._retried,
                    self._returned,
                    self._wait,
                    self._run,
                    self._push_batch,
                    self._claim_batch,
                    self._finish_batch,
                )
            ]


def _waits_s(jobs: Sequence[QueuedJob]) -> list[float]:
    """How long each waited for its first start; a later claim follows a retry, a rescue or a hand-back."""
    # One statement claimed them, at one time.
    started = jobs[0].started_at
    if started is None:
        return []
    waits = []
    for job in jobs:
        since, due = job.created_at, job.scheduled_at
        if job.claims == 1 and since is not None:
            waits.append((started - (since if due is None or due < since else due)).total_seconds())
    return [max(wait, 0.0) for wait in waits] if waits and min(waits) < 0 else waits
