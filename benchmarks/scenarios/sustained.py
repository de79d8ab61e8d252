"""Whether it stays as it began: pushed and run at once, for minutes, at a part of the pace of a drain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import draining
from benchmarks.children import child
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Quantity, Sample, Scenario
from chancy import Chancy

SHARE = 0.5
# The pace of a drain is that of so many jobs.
DRAINED = 100_000
LOOK_EVERY_S = 5.0
QUANTITIES = (
    Quantity("jobs a second, pushed and run", "rate", judged=False),
    Quantity("push to start, median, ms", "median_ms", judged=False),
    Quantity("push to start, p99, ms", "p99_ms", judged=False),
    Quantity("live table and its indexes at the end, MB", "last_size_mb", judged=False),
)


def scenario(bench: Bench) -> Scenario:
    tables: list[Chancy] = []
    series: dict[str, list[tuple[float, ...]]] = {}

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("sustained") as chancy:
            tables.append(chancy)
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        rate = SHARE * (await draining.ours(bench, chancy, DRAINED))["jobs_s"]
        await bench.clear(chancy)
        await bench.level(chancy)
        await chancy.resume_queue("default")
        schema = chancy.settings.schema
        pushing = ("benchmarks.pusher", chancy.dsn, schema, f"{rate:.0f}", str(bench.sustained_s))
        async with child("benchmarks.worker", chancy.dsn, schema, "100") as worker, child(*pushing) as pusher:
            await worker.hear()
            await pusher.hear()
            sizes = [await _size_mb(bench, schema)]
            pusher.tell("go")
            start = time.monotonic()
            while time.monotonic() < start + bench.sustained_s:
                await asyncio.sleep(min(LOOK_EVERY_S, start + bench.sustained_s - time.monotonic()))
                sizes.append(await _size_mb(bench, schema))
            pushed = int(await pusher.hear())
            await draining.until(bench, f"SELECT NOT EXISTS (SELECT FROM {schema}.jobs)")
        finished = await bench.one(f"SELECT count(*) FROM {schema}.finished_jobs WHERE state = 'succeeded'")
        if finished != pushed:
            raise RuntimeError(f"{pushed} jobs were pushed, and {finished} succeeded.")
        series["chancy"] = await _over_time(bench, schema, sizes)
        return await _sample(bench, schema, rate, sizes)

    return Scenario(
        name="sustained",
        how=f"{bench.sustained_s:.0f} s at {SHARE:.0%} of the pace of a drain; from push_many to the job's first line",
        subjects={"chancy": ours},
        comparisons=[
            Comparison(
                "sustained: p99 push to start / median",
                "chancy",
                "chancy",
                "p99_ms",
                within=50.0,
                baseline_metric="median_ms",
            ),
            Comparison(
                "sustained: p99 of the last quarter / second",
                "chancy",
                "chancy",
                "last_p99_ms",
                at_most=1.25,
                baseline_metric="second_p99_ms",
            ),
            Comparison(
                "sustained: size of the table at the end / at a quarter",
                "chancy",
                "chancy",
                "last_size_mb",
                at_most=1.1,
                baseline_metric="quarter_size_mb",
            ),
        ],
        repeats=1,
        around=around(),
        quantities=QUANTITIES,
        series=series,
    )


async def _size_mb(bench: Bench, schema: str) -> float:
    return float(await bench.one(f"SELECT pg_total_relation_size('{schema}.jobs')")) / 1e6


_DELAYS = """
    SELECT result::text::float * 1000 AS ms, extract(epoch FROM started_at - min(started_at) OVER ()) AS at
    FROM {schema}.finished_jobs WHERE state = 'succeeded'
    """


async def _over_time(bench: Bench, schema: str, sizes: list[float]) -> list[tuple[float, ...]]:
    """Every few seconds: when, jobs a second, median and p99 from push to start in ms, the table's size in MB."""
    rows = await bench.admin.execute(
        f"""
        SELECT floor(at / {LOOK_EVERY_S})::int AS part, count(*) / {LOOK_EVERY_S},
               percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)
        FROM ({_DELAYS.format(schema=schema)}) AS delay GROUP BY part ORDER BY part
        """
    )
    return [
        (part * LOOK_EVERY_S, float(jobs_s), float(median), float(p99), sizes[min(part + 1, len(sizes) - 1)])
        for part, jobs_s, median, p99 in await rows.fetchall()
    ]


async def _sample(bench: Bench, schema: str, rate: float, sizes: list[float]) -> Sample:
    median, p99, second, last = await bench.row(
        f"""
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.99) WITHIN GROUP (ORDER BY ms),
               percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) FILTER (WHERE at / %(length)s BETWEEN 0.25 AND 0.5),
               percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) FILTER (WHERE at / %(length)s > 0.75)
        FROM ({_DELAYS.format(schema=schema)}) AS delay
        """,
        {"length": bench.sustained_s},
    )
    return {
        "rate": rate,
        "median_ms": median,
        "p99_ms": p99,
        "second_p99_ms": second,
        "last_p99_ms": last,
        "quarter_size_mb": max(sizes[: len(sizes) // 4 + 1]),
        "last_size_mb": sizes[-1],
    }
