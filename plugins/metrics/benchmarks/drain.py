"""What the plugin costs: counting; a drain of no-op jobs with it and without, in turns; one look at a large table.

    python plugins/metrics/benchmarks/drain.py [--jobs 20000] [--repeats 7] [--backlog 1000000]

On a private PostgreSQL, or CHANCY_BENCH_DSN. The time is from the first start to the last finish, by the database's
clock. Each turn measures both, in alternating order, and gives one ratio, so that the machine's moods cancel out.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
import timeit
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bench_jobs
import psycopg

from chancy import Chancy, Job, Outcome, QueuedJob, State, Worker
from chancy.plugins.metrics import Metrics
from chancy.testing import throwaway_server
from chancy_metrics.database import Reader

SCHEMA = "bench_metrics"
BATCH = 500
TOOK = "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float, count(*) FROM {}.finished_jobs"


async def drain(dsn: str, jobs: int, *, with_plugin: bool) -> tuple[float, float]:
    """Jobs a second, and the worker process's own CPU in microseconds a job."""
    plugins = [Metrics(port=0)] if with_plugin else []
    async with Chancy(dsn, schema=SCHEMA, discover=False, plugins=plugins) as chancy:
        await chancy.migrate()
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
            await admin.execute(f"TRUNCATE {SCHEMA}.jobs, {SCHEMA}.finished_jobs")
            job = Job.from_func(bench_jobs.nothing)
            await chancy.push_many(job.with_kwargs(n=n) for n in range(jobs))
            await admin.execute(f"VACUUM (ANALYZE) {SCHEMA}.jobs")
            await admin.execute("CHECKPOINT")
            cpu_s = time.process_time()
            async with Worker(chancy, concurrency=100):
                left = f"SELECT EXISTS (SELECT FROM {SCHEMA}.jobs)"
                while (await (await admin.execute(left)).fetchone())[0]:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                cpu_s = time.process_time() - cpu_s
            took_s, count = await (await admin.execute(TOOK.format(SCHEMA))).fetchone()
            assert count == jobs
    return jobs / took_s, cpu_s / jobs * 1e6


def count() -> None:
    """How long it takes to count a full batch, with nothing else going on."""
    metrics, now = Metrics(), datetime.now(UTC)
    jobs = [
        QueuedJob(
            id=uuid.uuid4(),
            func=f"{bench_jobs.__name__}.nothing",
            state=State.RUNNING,
            claims=1,
            created_at=now - timedelta(seconds=n / 100),
            started_at=now,
        )
        for n in range(BATCH)
    ]
    outcomes = [Outcome(job=job, state=State.SUCCEEDED, run_s=n / 1e6) for n, job in enumerate(jobs)]
    for name, call in (("claim", lambda: metrics.on_claim(jobs)), ("end", lambda: metrics.on_recorded(outcomes))):
        best_s = min(timeit.repeat(call, number=1, repeat=200))
        print(f"counting at the {name}: {best_s / BATCH * 1e6:.2f} us a job, in a batch of {BATCH} (best of 200)")


async def look(dsn: str, backlog: int) -> None:
    """How long one look takes with that many jobs waiting."""
    async with (
        Chancy(dsn, schema=SCHEMA, discover=False) as chancy,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection,
    ):
        await chancy.migrate()
        await connection.execute(f"TRUNCATE {SCHEMA}.jobs")
        await connection.execute(
            f"INSERT INTO {SCHEMA}.jobs (id, queue, func, kwargs) "
            "SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'default', 'app.jobs.nothing', "
            "'{\"n\": 1}' FROM generate_series(1, %s) AS n",
            [backlog],
        )
        reader = Reader(SCHEMA, 10_000)
        times, reading = [], None
        for _ in range(9):
            reading = await reader.read(connection)
            times.append(reading.took_s * 1000)
        start = time.monotonic()
        await connection.execute(f"SELECT queue, state, count(*) FROM {SCHEMA}.jobs GROUP BY queue, state")
        full_ms = (time.monotonic() - start) * 1000
        estimate = reading.depths["default", "pending"]
        print(
            f"one look at {backlog:,} waiting jobs: {statistics.median(times):.1f} ms (median of 9; first "
            f"{times[0]:.1f} ms), says {estimate:,.0f}; counting them all: {full_ms:.0f} ms"
        )


async def main(dsn: str, jobs: int, repeats: int, backlog: int) -> None:
    """Measure, and print."""
    count()
    samples: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for turn in range(repeats + 1 if repeats else 0):
        for with_plugin in (True, False) if turn % 2 else (False, True):
            sample = await drain(dsn, jobs, with_plugin=with_plugin)
            # The first turn warms the machine up.
            if turn:
                samples[with_plugin].append(sample)
    if repeats:
        tell(samples)
    if backlog:
        await look(dsn, backlog)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
        await admin.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def tell(samples: dict[bool, list[tuple[float, float]]]) -> None:
    """Print both, and the medians of their ratios."""
    for with_plugin, name in ((False, "without"), (True, "with")):
        rates, cpu = zip(*samples[with_plugin], strict=True)
        print(
            f"{name:>8}: {statistics.median(rates):8,.0f} jobs/s (from {min(rates):,.0f} to {max(rates):,.0f}), "
            f"{statistics.median(cpu):.1f} us of CPU a job (at best {min(cpu):.1f})"
        )
    pairs = [a[0] / b[0] for a, b in zip(samples[True], samples[False], strict=True)]
    cpu_pairs = [a[1] / b[1] for a, b in zip(samples[True], samples[False], strict=True)]
    print(
        f"   ratio: {statistics.median(pairs):.3f} of the rate (from {min(pairs):.3f} to {max(pairs):.3f}), "
        f"{statistics.median(cpu_pairs):.3f} of the CPU, median of {len(pairs)} pairs"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--backlog", type=int, default=1_000_000)
    given = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    with throwaway_server("CHANCY_BENCH_DSN", "chancy-bench-") as where:
        asyncio.run(main(where, given.jobs, given.repeats, given.backlog))
