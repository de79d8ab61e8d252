"""What the plugin costs: bulk pushes and a drain of no-op jobs, without it, with it, and with the SDK.

    python plugins/otel/benchmarks/cost.py [--jobs 5000] [--repeats 7]

On a private PostgreSQL, or CHANCY_BENCH_DSN. The numbers are this process's own CPU, in microseconds a job: the best of
the repeats, which take turns, so that the machine's moods cancel out. Spans are recorded and thrown away.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import psycopg
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from chancy import Chancy, Job, Worker
from chancy.testing import throwaway_server
from chancy_otel import Otel

SCHEMA = "bench_otel"
# A coroutine function without a line of work.
NOTHING = Job(func="asyncio.sleep", kwargs={"delay": 0}, keep_result=False)


async def measure(dsn: str, jobs: int, *, with_plugin: bool) -> tuple[float, float]:
    """CPU a job of pushing, and of running, in microseconds."""
    async with Chancy(dsn, schema=SCHEMA, discover=False, plugins=[Otel()] if with_plugin else []) as chancy:
        await chancy.migrate()
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
            await admin.execute(f"TRUNCATE {SCHEMA}.jobs, {SCHEMA}.finished_jobs")
            start = time.process_time()
            await chancy.push_many([NOTHING] * jobs)
            pushed = time.process_time()
            await admin.execute(f"VACUUM (ANALYZE) {SCHEMA}.jobs")
            drained = time.process_time()
            async with Worker(chancy, concurrency=100):
                left = f"SELECT EXISTS (SELECT FROM {SCHEMA}.jobs)"
                while (await (await admin.execute(left)).fetchone())[0]:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                ran = time.process_time()
    return (pushed - start) / jobs * 1e6, (ran - drained) / jobs * 1e6


def main() -> None:
    """Take turns, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    best: dict[str, tuple[float, float]] = {}

    def turn(name: str, *, with_plugin: bool) -> None:
        took = asyncio.run(measure(dsn, given.jobs, with_plugin=with_plugin))
        before = best.get(name, (float("inf"), float("inf")))
        best[name] = min(before[0], took[0]), min(before[1], took[1])

    with throwaway_server("CHANCY_BENCH_DSN", "chancy-bench-") as dsn:
        for _ in range(given.repeats):
            turn("without", with_plugin=False)
            turn("no SDK", with_plugin=True)
        trace.set_tracer_provider(TracerProvider())
        for _ in range(given.repeats):
            turn("without", with_plugin=False)
            turn("SDK", with_plugin=True)
    base = best["without"]
    for name, (push, run) in best.items():
        print(f"{name:8} push {push:6.1f} µs/job ({push / base[0]:.2f})   run {run:6.1f} µs/job ({run / base[1]:.2f})")


if __name__ == "__main__":
    sys.exit(main())
