"""What one process sees of a server: round trips, commits, pushes, and how soon a job starts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from chancy_core.app import Chancy
from chancy_core.cli.benching.crew import crew
from chancy_core.cli.benching.jobs import QUEUE
from chancy_core.cli.benching.place import SESSIONS, Place
from chancy_core.errors import ChancyError
from chancy_core.store import benching
from chancy_core.store.flow import Flow, run
from chancy_core.values.job import Job

# So many are enough for a median, and no fewer are taken however little time there is.
LEAST: Final = 10
MOST: Final = 2000
BULK: Final = 1000
# What one batch of a drain may take of the user's disk.
JOBS_MAX: Final = 200_000
BATCH_BYTES_MAX: Final = 128 * 1024 * 1024
STARTS_WITHIN_S: Final = 60.0


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """What pushing costs.

    Attributes:
        single_per_s: pushes a second, one after another.
        tasks_per_s: pushes a second of several tasks of one process.
        pushers: how many tasks these were.
        bulk_per_s: jobs a second, in calls of a thousand.
        bulk_wal_bytes: of WAL for each of those; that of others meanwhile is in it.
    """

    single_per_s: float
    tasks_per_s: float
    pushers: int
    bulk_per_s: float
    bulk_wal_bytes: float


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """Times, in milliseconds.

    Attributes:
        round_trip_ms: a question and its answer, the median.
        commit_ms: a commit of its own, the median, round trip included.
        start_ms: from the push to the start on an idle worker, the median.
        start_p99_ms: the same, which 99 of 100 do not exceed.
    """

    round_trip_ms: float
    commit_ms: float
    start_ms: float
    start_p99_ms: float


def batch_max(job_bytes: int) -> int:
    """How many jobs a batch may have."""
    return max(min(JOBS_MAX, BATCH_BYTES_MAX // max(job_bytes, 1)), 1)


async def round_trips(chancy: Chancy, seconds: float) -> tuple[float, float]:
    """The median of a question and its answer, and of a commit, in milliseconds."""
    async with chancy.connect(application_name=SESSIONS) as connection:

        async def timed(flow: Callable[[], Flow[None]]) -> float:
            async def once() -> float:
                began = time.perf_counter()
                await run(connection, flow())
                return time.perf_counter() - began

            return 1000 * percentile(await _often(once, seconds / 2), 50)

        answered = await timed(lambda: benching.answer(chancy.store))
        return answered, await timed(lambda: benching.commit_nothing(chancy.store))


async def pushes(place: Place, job: Job, job_bytes: int, seconds: float, pushers: int) -> Pushed:
    """How many pushes a second there are, by three ways."""
    chancy = place.chancy
    await chancy.pause_queue(QUEUE)
    single_per_s = await _per_s(chancy, job, seconds, 1)
    tasks_per_s = await _per_s(chancy, job, seconds, pushers)
    await chancy.pool.run(lambda: benching.clear_bench(chancy.store))
    wal_bytes, began, count = await _wal(chancy), time.perf_counter(), 0
    while count == 0 or (time.perf_counter() - began < seconds and count < batch_max(job_bytes)):
        count += len(await chancy.push_many([job] * min(BULK, batch_max(job_bytes))))
    took_s = time.perf_counter() - began
    wal_bytes = await _wal(chancy) - wal_bytes
    await chancy.pool.run(lambda: benching.clear_bench(chancy.store))
    return Pushed(
        single_per_s=single_per_s,
        tasks_per_s=tasks_per_s,
        pushers=pushers,
        bulk_per_s=count / took_s,
        bulk_wal_bytes=wal_bytes / count,
    )


async def starts_ms(place: Place, job: Job, seconds: float) -> tuple[float, float]:
    """From push to start, one job after another on an idle worker, by the database's clock: median and p99."""
    chancy = place.chancy
    await chancy.resume_queue(QUEUE)

    async def once() -> float:
        found = await (await chancy.push(job)).wait(timeout=STARTS_WITHIN_S)
        if found.created_at is None or found.started_at is None:
            raise ChancyError(f"A job of the benchmark ended as {found.state} without having run.")
        return 1000 * (found.started_at - found.created_at).total_seconds()

    async with crew(place.settings, 1):
        await once()
        took_ms = await _often(once, seconds)
    return percentile(took_ms, 50), percentile(took_ms, 99)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]


async def _often(once: Callable[[], Awaitable[float]], seconds: float) -> list[float]:
    found: list[float] = []
    until = time.perf_counter() + seconds
    while len(found) < LEAST or (len(found) < MOST and time.perf_counter() < until):
        found.append(await once())
    return found


async def _per_s(chancy: Chancy, job: Job, seconds: float, tasks: int) -> float:
    began = time.perf_counter()
    pushed = 0

    async def push() -> None:
        nonlocal pushed
        while True:
            await chancy.push(job)
            pushed += 1
            if time.perf_counter() - began >= seconds or pushed >= JOBS_MAX:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(push())
    return pushed / (time.perf_counter() - began)


async def _wal(chancy: Chancy) -> int:
    return await chancy.pool.run(lambda: benching.wal_position(chancy.store))
