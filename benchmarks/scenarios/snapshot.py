"""Whether a drain cares about somebody's open transaction, which keeps vacuum from removing anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from benchmarks import draining
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy


def scenario(bench: Bench) -> Scenario:
    jobs = 60_000 if bench.quick else 300_000
    tables: list[Chancy] = []
    series: dict[str, list[tuple[float, ...]]] = {}

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("snapshot") as chancy:
            tables.append(chancy)
            yield

    @asynccontextmanager
    async def held() -> AsyncIterator[None]:
        async with await psycopg.AsyncConnection.connect(bench.dsn) as connection:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await connection.execute("SELECT count(*) FROM pg_class")
            yield
            await connection.rollback()

    async def none() -> Sample:
        await bench.clear(tables[0])
        sample = await draining.ours(bench, tables[0], jobs)
        series["none"] = await _pace(bench, tables[0], jobs)
        return sample

    async def snapshot() -> Sample:
        await bench.clear(tables[0])
        sample = await draining.ours(bench, tables[0], jobs, beside=held)
        series["snapshot"] = await _pace(bench, tables[0], jobs)
        return sample

    return Scenario(
        name="snapshot",
        how=f"{jobs:,} drained as in `drain` under a REPEATABLE READ snapshot of another session; beside it: without",
        subjects={"snapshot": snapshot, "none": none},
        comparisons=[
            Comparison("drain under a held snapshot", "snapshot", "none", at_least=0.9),
            Comparison(
                "its last tenth / its first", "snapshot", "snapshot", "last_tenth", 0.9, baseline_metric="first_tenth"
            ),
        ],
        repeats=3 if bench.quick else 5,
        around=around(),
        budget_s=30 if bench.quick else 80,
        series=series,
    )


async def _pace(bench: Bench, chancy: Chancy, jobs: int) -> list[tuple[float, ...]]:
    """For each fiftieth of the jobs, in the order they finished: how many had, and at what pace these did."""
    rows = await bench.admin.execute(
        f"""
        WITH finished AS (
            SELECT finished_at, row_number() OVER (ORDER BY finished_at DESC) AS from_last
            FROM {chancy.settings.schema}.finished_jobs
        ),
        part AS (
            SELECT 50 - (from_last - 1) * 50 / %(jobs)s AS part, max(finished_at) AS at
            FROM finished WHERE from_last <= %(jobs)s GROUP BY 1
        )
        SELECT part * %(jobs)s / 50, %(jobs)s / 50 / nullif(extract(epoch FROM at - lag(at) OVER (ORDER BY part)), 0)
        FROM part ORDER BY part
        """,
        {"jobs": jobs},
    )
    return [(float(done), float(pace)) for done, pace in await rows.fetchall() if pace]
