"""What is known of queues and workers, put together for several pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple

from chancy import Chancy, Queue, WorkerInfo
from chancy_dashboard.reading.connections import rows
from chancy_dashboard.reading.snapshots import Remembered
from chancy_dashboard.showing.formats import dur, rate

HISTORY: Final = "history"
# So many waiting jobs of a queue are counted, and of all together where all are shown; what goes beyond is told so.
COUNTED: Final = 10_000
ALL_COUNTED: Final = 30_000
# What chancy-history counted no longer ago than that is what still waits, more or less.
LATELY_S: Final = 300.0
# Jobs a second that are too few to call it growing.
HARDLY: Final = 0.05
# Workers tell what they counted every ten seconds.
RATES_FOR_S: Final = 5.0
_rates: Final = Remembered(RATES_FOR_S)
ALL_TAGS: Final = [".*"]


class Outlook(NamedTuple):
    """How a queue will be, in words.

    Attributes:
        kind: `error`, `paused`, or nothing.
        text: the words.
    """

    kind: str
    text: str


def serves(worker: WorkerInfo, queue: Queue) -> bool:
    """Whether a worker takes jobs from a queue."""
    if worker.queues is None and queue.tags == ALL_TAGS and not (worker.status and worker.status.unserved):
        return True
    try:
        return worker.serves(queue)
    except ValueError:
        # A tag that cannot be matched within moments; the workers leave the queue alone, too.
        return False


def has_history(chancy: Chancy) -> bool:
    """Whether chancy-history is loaded."""
    return any(one.name == HISTORY for one in chancy.plugins.loaded)


async def lately(chancy: Chancy, **asked: Any) -> Any | None:
    """What chancy-history knows, by its `rates`; None where it is not installed."""
    if not has_history(chancy):
        return None
    # A plugin imports no other: which one is there is known when it runs.
    history: Any = import_module(f"chancy.plugins.{HISTORY}")
    return await _rates.get(chancy, tuple(sorted(asked.items())), partial(history.rates, chancy, **asked))


class Serving:
    """Who serves which queue: most queues ask for the same tags, and most workers serve all that their tags match.

    Args:
        workers: the workers.
    """

    def __init__(self, workers: Iterable[WorkerInfo]) -> None:
        self._alike: list[WorkerInfo] = []
        self._others: list[WorkerInfo] = []
        for worker in workers:
            by_name = worker.queues is not None or (worker.status is not None and worker.status.unserved)
            (self._others if by_name else self._alike).append(worker)
        self._by_tags: dict[tuple[str, ...], list[WorkerInfo]] = {}

    def of(self, queue: Queue) -> list[WorkerInfo]:
        """The workers that take jobs from a queue."""
        tags = tuple(queue.tags)
        if tags not in self._by_tags:
            self._by_tags[tags] = [worker for worker in self._alike if serves(worker, queue)]
        return [*self._by_tags[tags], *(worker for worker in self._others if serves(worker, queue))]


async def running(chancy: Chancy) -> list[dict[str, Any]]:
    """What runs now: worker, queue, func, count, oldest_s."""
    return await rows(chancy, "find_running")


async def waiting(chancy: Chancy) -> dict[str, dict[str, Any]]:
    """What waits in each queue that has runnable jobs, by name: count, exact, and oldest_s.

    Where there are many queues, each is counted up to an equal part of ALL_COUNTED. What goes beyond is what
    chancy-history counted in the last minutes, if it is installed.
    """
    found = {row["queue"]: row for row in await rows(chancy, "find_waiting", limit=COUNTED, all=ALL_COUNTED)}
    if has_history(chancy) and not all(row["exact"] for row in found.values()):
        for row in await rows(chancy, "read_last_depths", within_s=LATELY_S):
            known = found.get(row["queue"])
            if known is not None and not known["exact"]:
                known["count"] = max(known["count"], row["pending"])
    return found


def runs_by(found: Iterable[dict[str, Any]], key: str) -> Counter[str]:
    """How many run now, by queue or by worker."""
    counted: Counter[str] = Counter()
    for row in found:
        counted[row[key]] += row["count"]
    return counted


def slots_of(queue: Queue, serving: Sequence[WorkerInfo]) -> int | None:
    """How many of its jobs may run at a time; None: each worker says that itself."""
    of_workers = None if queue.concurrency is None else queue.concurrency * len(serving)
    known = [count for count in (of_workers, queue.global_concurrency) if count is not None]
    return min(known) if known else None


def outlook(queue: Queue, waits: int, serving: int, in_per_s: float | None, out_per_s: float | None) -> Outlook:
    """How it will be at the present pace."""
    if queue.state is Queue.State.PAUSED:
        return Outlook("paused", "paused")
    if waits and not serving:
        return Outlook("error", "nobody serves it")
    if not waits:
        return Outlook("", "idle" if not out_per_s else "steady")
    if in_per_s is None or out_per_s is None:
        return Outlook("", "")
    gains = out_per_s - in_per_s
    if gains < -HARDLY:
        return Outlook("error" if not out_per_s else "", f"grows {rate(-gains)}/s")
    return Outlook("", f"empties in {dur(waits / gains)}") if gains > HARDLY else Outlook("", "steady")


def limits_told(queue: Queue) -> str:
    """Its limits across all workers, in few words."""
    told = []
    if queue.global_concurrency is not None:
        told.append(f"{queue.global_concurrency:,} at a time")
    if queue.rate_limit is not None:
        told.append(f"{queue.rate_limit:,}/{dur(queue.rate_limit_window).removeprefix('1 ')}")
    return ", ".join(told)


async def next_schedules(chancy: Chancy, most: int) -> list[Any] | None:
    """The schedules that fire next, of chancy-cron; None where it is not installed."""
    if not any(one.name == "cron" for one in chancy.plugins.loaded):
        return None
    cron: Any = import_module("chancy.plugins.cron")
    found = [one for one in await cron.Cron.get_schedules(chancy) if one.next_at is not None and not one.paused]
    return sorted(found, key=lambda one: one.next_at)[:most]
