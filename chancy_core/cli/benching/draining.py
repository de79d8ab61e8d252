"""Jobs lie ready, warm workers are let at them, and meanwhile it is seen what everybody waits for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from chancy_core.app import Chancy
from chancy_core.cli.benching.crew import Member, crew
from chancy_core.cli.benching.jobs import QUEUE
from chancy_core.cli.benching.measuring import batch_max
from chancy_core.cli.benching.place import SESSIONS, Place
from chancy_core.errors import ChancyError
from chancy_core.store import benching
from chancy_core.store.benching import Batch
from chancy_core.values.job import Job

FIRST: Final = 200
GROWTH: Final = 4
LOOK_EVERY_S: Final = 0.05
# Whoever has so slow a database has another trouble than its limits.
PATIENCE_S: Final = 120.0
# A batch that takes this part of the time that was asked for is long enough to judge by.
ENOUGH: Final = 0.5


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """How so many processes ran a batch of jobs.

    Attributes:
        processes: how many there were.
        jobs: how many were run.
        took_s: from the first start to the last recorded end, by the database's clock.
        jobs_per_s: the pace.
        worker_cpu_us: what a worker's processor spent on a job, in microseconds.
        worker_busy: the part of the time in which a worker's process computed, from 0 to 1.
        machine_busy: the part of this machine's processors that was used, by whomever; null: it cannot be seen here.
        wal_bytes: of WAL for each job; that of others meanwhile is in it.
        at_work: how many sessions of the workers computed or waited in the server, on average.
        waits: what these did, as parts of all that was seen: `processor`, or what they waited for.
    """

    processes: int
    jobs: int
    took_s: float
    jobs_per_s: float
    worker_cpu_us: float
    worker_busy: float
    machine_busy: float | None
    wal_bytes: float
    at_work: float
    waits: dict[str, float]


async def drain(place: Place, job: Job, job_bytes: int, seconds: float, processes: int) -> Drain:
    """Let so many processes run jobs for about so many seconds.

    The number of jobs grows until they take long enough, so that nothing has to be known of the machine before.
    """
    count = FIRST
    most = batch_max(job_bytes)
    async with crew(place.settings, processes) as members:
        while True:
            found = await run_batch(place.chancy, job, min(count, most), members)
            if found.took_s >= ENOUGH * seconds or count >= most:
                return found
            count *= GROWTH


async def run_batch(chancy: Chancy, job: Job, count: int, members: Sequence[Member]) -> Drain:
    """Let workers run so many jobs, which are pushed before, in a schema that is emptied first."""
    await chancy.pause_queue(QUEUE)
    await chancy.pool.run(lambda: benching.clear_bench(chancy.store))
    references = await chancy.push_many([job] * count)
    batch = Batch(references[0].identifier, references[-1].identifier, len(references))
    cpu_s, wal_bytes, machine = await _cpu_s(members), await _wal(chancy), _machine()
    began = time.perf_counter()
    await chancy.resume_queue(QUEUE)
    seen, looks = await _watch(chancy, batch)
    wall_s, machine_busy = time.perf_counter() - began, _busy(machine, _machine())
    cpu_s, wal_bytes = await _cpu_s(members) - cpu_s, await _wal(chancy) - wal_bytes
    ended, took_s = await chancy.pool.run(lambda: benching.read_drain(chancy.store, batch))
    if ended != count:
        raise ChancyError(
            f"Of {count:,} jobs of the benchmark only {ended:,} succeeded. Look at the workers' log above."
        )
    total = sum(seen.values())
    return Drain(
        processes=len(members),
        jobs=count,
        took_s=took_s,
        jobs_per_s=count / max(took_s, 1e-6),
        worker_cpu_us=cpu_s / count * 1e6,
        worker_busy=min(cpu_s / len(members) / wall_s, 1.0),
        machine_busy=machine_busy,
        wal_bytes=wal_bytes / count,
        at_work=total / max(looks, 1),
        waits={what: number / total for what, number in seen.most_common()},
    )


async def _watch(chancy: Chancy, batch: Batch) -> tuple[Counter[str], int]:
    """Wait until all jobs have ended; what sessions were seen to do meanwhile, and how often they were looked at."""
    seen: Counter[str] = Counter()
    looks = 0
    until = time.monotonic() + PATIENCE_S
    while not await chancy.pool.run(lambda: benching.is_drained(chancy.store, batch)):
        if time.monotonic() > until:
            raise ChancyError(
                f"The workers have not run {batch.count:,} jobs within {PATIENCE_S:.0f} seconds. "
                "To see what keeps the server from answering: chancy doctor"
            )
        seen.update(await chancy.pool.run(lambda: benching.sample_sessions(chancy.store, SESSIONS)))
        looks += 1
        await asyncio.sleep(LOOK_EVERY_S)
    return seen, looks


async def _cpu_s(members: Sequence[Member]) -> float:
    return sum(await asyncio.gather(*(member.cpu_s() for member in members)))


async def _wal(chancy: Chancy) -> int:
    return await chancy.pool.run(lambda: benching.wal_position(chancy.store))


def _machine() -> tuple[int, int] | None:
    """What the processors of this machine have done until now: (in use, altogether), in ticks; None: not on Linux."""
    try:
        numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    idle = sum(numbers[3:5])
    return sum(numbers) - idle, sum(numbers)


def _busy(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])
