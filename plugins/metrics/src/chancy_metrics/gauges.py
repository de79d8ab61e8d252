"""What is read from the workers and from the last look at the database, when somebody collects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from chancy import Worker
from chancy_metrics.database import folded
from chancy_metrics.labels import QueueLabels
from chancy_metrics.reading import Reading

Pairs = Iterable[tuple[Sequence[str], float]]


class Totals:
    """What workers count themselves, added up over those that run and those that have stopped."""

    def __init__(self) -> None:
        self._rescued: Counter[str] = Counter()
        self._stale: Counter[str] = Counter()

    def keep(self, worker: Worker) -> None:
        """Remember the counts of a worker that stops."""
        self._rescued.update(worker.rescued_by_queue)
        self._stale.update(worker.stale_by_queue)

    def families(self, workers: Sequence[Worker], labels: QueueLabels) -> Iterator[Metric]:
        """The counters as they stand, with the workers that run; each starts at 0."""
        yield _summed(
            "chancy_jobs_rescued",
            "Jobs that this worker took back from lost workers.",
            [self._rescued, *(worker.rescued_by_queue for worker in workers)],
            labels,
        )
        yield _summed(
            "chancy_outcomes_stale",
            "Outcomes of this worker that were refused, because someone else owned the run by then.",
            [self._stale, *(worker.stale_by_queue for worker in workers)],
            labels,
        )


def _summed(name: str, text: str, counts: Iterable[Mapping[str, int]], labels: QueueLabels) -> Metric:
    found: Counter[str] = Counter(dict.fromkeys(labels.shown, 0))
    for each in counts:
        for queue, count in each.items():
            found[labels.of(queue)] += count
    family = CounterMetricFamily(name, text, labels=["queue"])
    for label, count in sorted(found.items()):
        family.add_metric([label], count)
    return family


def hook_failures(failures: Mapping[tuple[str, str], int]) -> Metric:
    """The failures that the kernel has counted; as many series as plugins have hooks."""
    family = CounterMetricFamily(
        "chancy_hook_failures", "Hooks that failed, by plugin and hook.", labels=["plugin", "hook"]
    )
    for (plugin, hook), count in sorted(failures.items()):
        family.add_metric([plugin, hook], count)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """A counter without labels."""
    return CounterMetricFamily(name, text, value=value)


def worker_gauges(workers: Sequence[Worker], label: Callable[[str], str], *, leads: bool | None) -> Iterator[Metric]:
    """The gauges of the workers in this process."""
    used: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for worker in workers:
        for queue, (running, concurrency) in _slots(worker).items():
            used[label(queue)] += running
            there[label(queue)] += concurrency
    yield _gauge("chancy_slots_used", "Jobs that run on this worker.", ["queue"], _by_queue(used))
    yield _gauge("chancy_slots", "Jobs that may run on this worker at a time.", ["queue"], _by_queue(there))
    if leads is not None:
        text = "1 if this worker leads, or nothing elects a leader."
        yield _gauge("chancy_leader", text, [], [([], float(leads))])


def database_gauges(reading: Reading, label: Callable[[str], str], age_s: float) -> Iterator[Metric]:
    """The gauges of the last look at the database."""
    depths = folded(reading.depths, label)
    oldest: dict[str, float] = {}
    for queue, seconds in reading.oldest_s.items():
        oldest[label(queue)] = max(seconds, oldest.get(label(queue), 0.0))
    yield _gauge(
        "chancy_queue_jobs",
        "Live jobs by state; exact up to the count limit, estimated from a sample beyond it.",
        ["queue", "state"],
        sorted(depths.items()),
    )
    yield _gauge(
        "chancy_queue_oldest_runnable_seconds",
        "For how long the oldest job that could run has been waiting.",
        ["queue"],
        _by_queue(oldest),
    )
    yield _gauge("chancy_table_size_bytes", "Tables with their indexes.", ["table"], _by_queue(reading.sizes_bytes))
    yield _gauge(
        "chancy_table_dead_rows",
        "Rows that wait for vacuum, by the statistics.",
        ["table"],
        _by_queue(reading.dead_rows),
    )
    if reading.transaction_s is not None and reading.horizon is not None:
        yield _gauge(
            "chancy_database_oldest_transaction_seconds",
            "Age of the oldest open transaction that keeps vacuum from removing dead rows.",
            [],
            [([], reading.transaction_s)],
        )
        yield _gauge(
            "chancy_database_oldest_snapshot_transactions",
            "How many transactions ago the oldest snapshot in use was taken, replication slots included.",
            [],
            [([], reading.horizon)],
        )
    for other in reading.others:
        yield _gauge(other.name, other.text, other.labels, sorted(other.values.items()))
    yield _gauge("chancy_database_reading_age_seconds", "How long ago the database was read.", [], [([], age_s)])
    yield _gauge("chancy_database_reading_duration_seconds", "How long that reading took.", [], [([], reading.took_s)])


def _slots(worker: Worker) -> dict[str, tuple[int, int]]:
    try:
        return worker.slots()
    except RuntimeError:
        # Somebody collects in a thread of their own, and a queue was declared at this very moment.
        return {}


def _by_queue(values: Mapping[str, float]) -> Pairs:
    return [([label], value) for label, value in sorted(values.items())]


def _gauge(name: str, text: str, labels: Sequence[str], pairs: Pairs) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in pairs:
        family.add_metric(values, value)
    return family
