"""What the screen shows, as it is looked up: a look costs the database a few small statements."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from chancy import Chancy, Queue, WorkerInfo
from chancy.plugin import Finding
from chancy_doctor.checks import jobs
from chancy_doctor.examine import examine_in
from chancy_doctor.look import COUNTED, SAMPLE, Look, looking
from chancy_doctor.thresholds import Thresholds
from chancy_doctor.top.coming import Coming, coming_now
from chancy_doctor.top.lately import Known, known_now

# What ended is looked for so far back, among so many of the newest jobs.
RATE_OVER_S: Final = 60.0
# How often what reads thousands of rows is looked up: so a look every two seconds takes less than 1 % of a core.
SLOW_S: Final = 15.0
# So many waiting jobs are counted in the looks between, over all queues; but of each queue so many.
ROWS: Final = 5_000
FEW: Final = 50


class QueueRow(NamedTuple):
    """A queue.

    Attributes:
        name: its name.
        state: `active`, `paused`, or what is wrong with it.
        waiting: how many jobs wait, counted up to a bound.
        more: whether there are more than that.
        oldest_s: for how long the oldest has waited; None: nothing waits.
        running: how many run.
        slots: how many could, on all live workers; None: nobody knows.
        in_s: how many are pushed in a second; None: that takes two looks.
        out_s: how many end in a second.
        limit: its limits across all workers.
    """

    name: str
    state: str
    waiting: int
    more: bool
    oldest_s: float | None
    running: int
    slots: int | None
    in_s: float | None
    out_s: float
    limit: str

    @property
    def drains_in_s(self) -> float | None:
        """In how many seconds nothing waits any more, if it goes on like this; None: never, or nobody knows."""
        if not self.waiting or self.more or self.in_s is None or self.out_s <= self.in_s:
            return None
        return self.waiting / (self.out_s - self.in_s)


class WorkerRow(NamedTuple):
    """A worker: its name, its queues, how many jobs it runs, its lease, whether it leads, and what troubles it."""

    name: str
    alive: bool
    seen_s_ago: float
    queues: list[str]
    running: int
    leads: bool
    trouble: str


class FailureRow(NamedTuple):
    """A function whose newest runs failed: how many of how many, with which error, and a job of it."""

    func: str
    failed: int
    share: float
    error: str
    message: str
    job: str


class Slow(NamedTuple):
    """What is looked up every few looks, because it reads thousands of rows.

    Attributes:
        at: when, by `time.monotonic()`.
        failures: the functions that fail.
        findings: what is wrong.
        missed: whether there was no time for some of it.
        out_s: how many jobs of each queue end in a second.
        waiting: how many jobs of each queue wait, counted further than each look does.
    """

    at: float
    failures: list[FailureRow]
    findings: list[Finding]
    missed: bool
    out_s: Mapping[str, float]
    waiting: Mapping[str, int]


class Picture(NamedTuple):
    """What one look saw.

    Attributes:
        at: when, by `time.monotonic()`.
        slow: what is looked up less often than the rest.
        queues: the queues.
        workers: the workers.
        server: how the server does, by name.
        known: what the queues did lately; None: nobody keeps that.
        coming: what fires next, and who leads.
    """

    at: float
    slow: Slow
    queues: list[QueueRow]
    workers: list[WorkerRow]
    server: Mapping[str, Any]
    known: Known | None = None
    coming: Coming | None = None


async def look_up(
    chancy: Chancy, thresholds: Thresholds, within_s: float, before: Picture | None, *, everything: bool = False
) -> Picture:
    """Look once.

    Args:
        chancy: an open application.
        thresholds: from when on something is a finding.
        within_s: how long it may take.
        before: the look before, for what takes two, and for what is looked up less often; None: there was none.
        everything: whether to look that up now.

    Raises:
        psycopg.Error: the database is away.
        ChancyError: it is out of reach.
    """
    at = time.monotonic()
    known = await known_now(chancy, before.known if before is not None else None, at)
    coming = await coming_now(chancy, before.coming if before is not None else None, at)
    slow = before.slow if before is not None and not everything and at - before.slow.at < SLOW_S else None
    # Many queues are counted less far, so that a look reads no more rows for them.
    counted = COUNTED if slow is None else max(ROWS // max(len(slow.waiting), 1), FEW)
    async with looking(chancy, thresholds, at + within_s, counted) as look:
        runs = await look.rows("count_runs")
        (server,) = await look.dicts("read_server")
        if slow is None:
            slow = await _look_slowly(look, at)
        return Picture(
            at=at,
            slow=slow,
            queues=_queues(look, counted, runs, slow, before, at),
            workers=_workers(look, runs),
            server=server,
            known=known,
            coming=coming,
        )


async def _look_slowly(look: Look, at: float) -> Slow:
    ended = await look.rows("count_all_ended", over_s=RATE_OVER_S, limit=SAMPLE)
    failing = await look.failures()
    examined = await examine_in(look)
    return Slow(
        at=at,
        failures=[_failure(row) for row in failing if row[1] >= jobs.SHOWN_FROM],
        findings=examined.findings,
        missed=bool(examined.not_looked_at),
        out_s={row[0]: row[1] / row[2] for row in ended},
        waiting={one.queue: one.jobs for one in look.waiting.values()},
    )


def _queues(
    look: Look, counted: int, runs: list[tuple[Any, ...]], slow: Slow, before: Picture | None, at: float
) -> list[QueueRow]:
    running: dict[str, int] = {}
    for queue, _, count in runs:
        running[queue] = running.get(queue, 0) + count
    seen = {row.name: row for row in before.queues} if before is not None else {}
    passed_s = at - before.at if before is not None else 0.0
    rows = []
    for name in sorted({*look.queues, *look.unreadable, *look.waiting, *running}):
        queue, waiting = look.queues.get(name), look.waiting.get(name)
        count = waiting.jobs if waiting else 0
        last = seen.get(name)
        out_s = slow.out_s.get(name, 0.0)
        more = count >= counted
        if more:
            count = max(count, slow.waiting.get(name, 0))
        known = last is not None and passed_s > 0 and not more and not last.more
        rows.append(
            QueueRow(
                name=name,
                state=_state(look, name, queue),
                waiting=count,
                more=more,
                oldest_s=waiting.oldest_s if waiting else None,
                running=running.get(name, 0),
                slots=_slots(look, queue),
                in_s=max((count - last.waiting) / passed_s + out_s, 0.0) if known and last is not None else None,
                out_s=out_s,
                limit=_limit(queue),
            )
        )
    return rows


def _state(look: Look, name: str, queue: Queue | None) -> str:
    if name in look.unreadable:
        return "unreadable"
    if queue is None:
        return "undeclared"
    return str(queue.state)


def _slots(look: Look, queue: Queue | None) -> int | None:
    if queue is None or queue.concurrency is None:
        return None
    return queue.concurrency * len(look.serving(queue))


def _limit(queue: Queue | None) -> str:
    if queue is None:
        return ""
    parts = []
    if queue.rate_limit is not None:
        parts.append(f"{queue.rate_limit:,}/{queue.rate_limit_window:g}s")
    if queue.global_concurrency is not None:
        parts.append(f"{queue.global_concurrency:,} at once")
    return " ".join(parts)


def _workers(look: Look, runs: list[tuple[Any, ...]]) -> list[WorkerRow]:
    serving: dict[str, list[str]] = {}
    for name, queue in look.queues.items():
        for worker in look.serving(queue):
            serving.setdefault(worker.name, []).append(name)
    running: dict[str, int] = {}
    for _, name, count in runs:
        running[name] = running.get(name, 0) + count
    return [_worker(one, serving.get(one.name, []), running.get(one.name, 0)) for one in look.workers]


def _worker(worker: WorkerInfo, queues: list[str], running: int) -> WorkerRow:
    status = worker.status
    trouble = [one.problem for one in status.unable] if status else []
    trouble += [one.error for one in status.plugins if one.error] if status else []
    return WorkerRow(
        name=worker.name,
        alive=worker.alive,
        seen_s_ago=worker.seen_s_ago,
        queues=queues,
        running=running,
        leads=bool(status and status.leads),
        trouble=trouble[0] if trouble else "",
    )


def _failure(row: tuple[Any, ...]) -> FailureRow:
    func, failed, succeeded, _, error, message, job = row
    return FailureRow(func, failed, failed / (failed + succeeded), error or "", message or "", job)
