"""What the plugin costs: counting; a drain of no-op jobs with it and without, in turns; writing many rows.

    python plugins/history/benchmarks/drain.py [--jobs 40000] [--repeats 9] [--functions 200]

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
from chancy.plugins.history import History, rates
from chancy.testing import throwaway_server
from chancy_history import store
from chancy_history.recorder import Recorder

SCHEMA = "bench_history"
BATCH = 500
TOOK = "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float, count(*) FROM {}.finished_jobs"


async def drain(dsn: str, jobs: int, *, with_plugin: bool) -> tuple[float, float]:
    """Jobs a second, and the worker process's own CPU in microseconds a job."""
    plugins = [History()] if with_plugin else []
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
    plugin, now = History(), datetime.now(UTC)
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
    for name, call in (("claim", lambda: plugin.on_claim(jobs)), ("end", lambda: plugin.on_recorded(outcomes))):
        best_s = min(timeit.repeat(call, number=1, repeat=200))
        print(f"counting at the {name}: {best_s / BATCH * 1e6:.2f} us a job, in a batch of {BATCH} (best of 200)")


async def write(dsn: str, functions: int) -> None:
    """How long it takes to write so many rows, again and again to the same minute, and to read an hour of them."""
    async with (
        Chancy(dsn, schema=SCHEMA, discover=False, plugins=[History()]) as chancy,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection,
    ):
        await chancy.migrate()
        now, times = datetime.now(UTC), []
        for _ in range(12):
            recorder = Recorder(functions)
            for n in range(functions):
                recorder.claimed(
                    [QueuedJob(id=uuid.uuid4(), func=f"a.f{n}", state=State.RUNNING, claims=1, created_at=now)]
                )
            start = time.monotonic()
            await store.add(connection, SCHEMA, recorder.take(), 10.0)
            times.append((time.monotonic() - start) * 1000)
        await connection.execute(
            f"INSERT INTO {SCHEMA}.history_minutes SELECT now() - make_interval(mins => n), queue, func, started, "
            "first, succeeded, failed, cancelled, retried, returned, wait_s, run_s, waits, runs "
            f"FROM generate_series(1, 120) AS n, (SELECT * FROM {SCHEMA}.history_minutes WHERE at = "
            f"(SELECT max(at) FROM {SCHEMA}.history_minutes)) AS last ON CONFLICT DO NOTHING"
        )
        start = time.monotonic()
        await rates(chancy, since="1h", by="func", steps=20)
        read_ms = (time.monotonic() - start) * 1000
    print(
        f"writing {functions} rows: {statistics.median(times):.1f} ms (median of 12); reading an hour: {read_ms:.0f} ms"
    )


async def main(dsn: str, jobs: int, repeats: int, functions: int) -> None:
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
    await write(dsn, functions)
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
    parser.add_argument("--jobs", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--functions", type=int, default=200)
    given = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    with throwaway_server("CHANCY_BENCH_DSN", "chancy-bench-") as where:
        asyncio.run(main(where, given.jobs, given.repeats, given.functions))
