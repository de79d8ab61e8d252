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
        return await draining.ours(bench, tables[0], jobs)

    async def snapshot() -> Sample:
        await bench.clear(tables[0])
        return await draining.ours(bench, tables[0], jobs, beside=held)

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
    )
