"""`python -m benchmarks.capacity`: the constants of the capacity model, and the model beside what is measured.

Two points are measured to fit the model: jobs without arguments, and jobs with 1.6 kB of them. What it says of other
jobs is then measured as well, and both are printed side by side. docs/explanation/scaling.md has the formulas.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from pathlib import Path
from typing import Final, NamedTuple

import psycopg

from benchmarks import work
from benchmarks.children import Family
from benchmarks.database import server
from chancy import Chancy, Job, Queue
from chancy_core.cli.benching.crew import crew
from chancy_core.cli.benching.draining import run_batch
from chancy_core.cli.benching.jobs import QUEUE, job_of
from chancy_core.cli.benching.place import Place, place
from chancy_core.config import Settings

JOBS: Final = 20_000
REPEATS: Final = 5
EMPTY: Final = 0
FULL: Final = 1600
# Neither of the two that the model is made of; the last is beyond what PostgreSQL leaves uncompressed.
BETWEEN: Final = 800
BEYOND: Final = 8000
SLOTS: Final = 16
SLEEP_S: Final = 0.005
SLEEPS: Final = 6000


class Cost(NamedTuple):
    """What a job costs, pushed in bulk and run.

    Attributes:
        worker_us: of the worker's processor.
        server_us: of the server's.
        wal_bytes: of WAL, with the images of whole pages that checkpoints cause.
        disk_bytes: in the table of finished jobs, with its index.
    """

    worker_us: float
    server_us: float
    wal_bytes: float
    disk_bytes: float


class Model(NamedTuple):
    """A cost without arguments, and what a byte of these adds."""

    base: Cost
    a_byte: Cost

    def cost(self, payload_bytes: int) -> Cost:
        """What it says of jobs with such arguments."""
        pairs = zip(self.base, self.a_byte, strict=True)
        return Cost(*(base + payload_bytes * added for base, added in pairs))


class Bench:
    """Measures on one server.

    Args:
        where: the schema.
        admin: a connection for what is not measured.
    """

    def __init__(self, where: Place, admin: psycopg.AsyncConnection) -> None:
        self._where = where
        self._admin = admin

    async def cost(self, job: Job, jobs: int = JOBS) -> tuple[Cost, float]:
        """What a job costs, and how many a second one worker runs: medians."""
        found = [await self._once(job, jobs) for _ in range(REPEATS)]
        columns = [statistics.median(column) for column in zip(*(cost for cost, _ in found), strict=True)]
        return Cost(*columns), statistics.median(pace for _, pace in found)

    async def _once(self, job: Job, jobs: int) -> tuple[Cost, float]:
        chancy = self._where.chancy
        async with crew(self._where.settings, 1) as members:
            await run_batch(chancy, job, max(jobs // 10, 1), members)
            postmaster = Family(await self._postmaster())
            await self._admin.execute("CHECKPOINT")
            wal_bytes, server_s = await self._wal(), await postmaster.cpu_s()
            drained = await run_batch(chancy, job, jobs, members)
            server_s = await postmaster.cpu_s() - server_s
            wal_bytes = await self._wal() - wal_bytes
            disk_bytes = await self.finished_bytes()
        cost = Cost(drained.worker_cpu_us, server_s / jobs * 1e6, wal_bytes / jobs, disk_bytes / jobs)
        return cost, drained.jobs_per_s

    async def pace(self, processes: int) -> float:
        """How many jobs without arguments a second so many workers run, the median."""
        found = []
        for _ in range(REPEATS):
            async with crew(self._where.settings, processes) as members:
                await run_batch(self._where.chancy, job_of(EMPTY), JOBS, members)
                found.append((await run_batch(self._where.chancy, job_of(EMPTY), 3 * JOBS, members)).jobs_per_s)
        return statistics.median(found)

    async def finished_bytes(self) -> int:
        """What finished jobs take of the disk."""
        sizes = """
            SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%s::regclass)
            """
        return int(await self._one(sizes, [f"{self._where.chancy.settings.schema}.finished_jobs"]))

    async def _postmaster(self) -> int:
        """The process that has started all others of the server."""
        pid = await self._one("SELECT pg_backend_pid()")
        return _parent(int(pid))

    async def _wal(self) -> int:
        return int(await self._one("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"))

    async def _one(self, sql: str, params: list[str] | None = None) -> float:
        row = await (await self._admin.execute(sql, params)).fetchone()
        assert row is not None
        return float(row[0]) if not isinstance(row[0], int) else row[0]


async def sleeping(where: Place, bench: Bench) -> float:
    """How many jobs a second are run that sleep for 5 ms, in 16 threads."""
    chancy = where.chancy
    queue = Queue(QUEUE, executor=Chancy.Executor.Threaded, concurrency=SLOTS)
    await chancy.declare(queue, upsert=True)
    _, pace = await bench.cost(Job(func=work.SLEEP_SYNC, queue=QUEUE, kwargs={"n": 1}), SLEEPS)
    await chancy.declare(Queue(QUEUE, concurrency=100), upsert=True)
    return pace


async def main(dsn: str) -> None:
    """Measure, and print."""
    async with (
        place(Settings(dsn=dsn), dsn) as where,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin,
    ):
        bench = Bench(where, admin)
        empty, alone = await bench.cost(job_of(EMPTY))
        full, _ = await bench.cost(job_of(FULL))
        model = Model(empty, Cost(*((more - less) / FULL for less, more in zip(empty, full, strict=True))))
        print(f"{'a job, pushed in bulk and run':<34}{'without arguments':>18}{'each kB adds':>16}")
        for name, base, added in zip(Cost._fields, model.base, model.a_byte, strict=True):
            print(f"{name:<34}{base:>18,.1f}{1000 * added:>16,.1f}")
        print(f"\n{'':<34}{'predicted':>18}{'measured':>16}{'ratio':>8}")
        for payload_bytes in (BETWEEN, BEYOND):
            measured, _ = await bench.cost(job_of(payload_bytes), JOBS if payload_bytes == BETWEEN else JOBS // 4)
            for name, told, seen in zip(Cost._fields, model.cost(payload_bytes), measured, strict=True):
                compare(f"{payload_bytes} bytes: {name}", told, seen)
        cores = os.cpu_count() or 1
        run_us = empty.worker_us + empty.server_us
        compare("one worker: jobs/s", min(1e6 / empty.worker_us, cores * 1e6 / run_us), alone)
        compare("two workers: jobs/s", cores * 1e6 / run_us, await bench.pace(2))
        compare("sleeping 5 ms in 16 threads: jobs/s", SLOTS / SLEEP_S, await sleeping(where, bench))
        await bench.pace(1)
        compare(f"{3 * JOBS:,} finished: bytes", 3 * JOBS * empty.disk_bytes, await bench.finished_bytes())


def _parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return int(status.rpartition(")")[2].split()[1])


def compare(what: str, told: float, seen: float) -> None:
    """A line of the table."""
    print(f"{what:<34}{told:>18,.1f}{seen:>16,.1f}{seen / told:>8.2f}", flush=True)


if __name__ == "__main__":
    with server() as dsn_:
        asyncio.run(main(dsn_))
