"""How soon a pushed job starts on a worker that has nothing else to do."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import uuid_utils

from benchmarks import work
from benchmarks.children import child
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy, Job

INSERT = """
WITH stored AS (
    INSERT INTO {schema}.jobs (id, queue, func, kwargs) VALUES (%s, 'default', 'stamp', %s) RETURNING id
)
SELECT pg_notify('bare', '') FROM stored
"""
WARM_UP = 30


def scenario(bench: Bench) -> Scenario:
    jobs = 200 if bench.quick else 1000
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("start") as chancy, bench.schema("start_bare") as other:
            tables.extend((chancy, other))
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        await bench.level(chancy)
        async with child("benchmarks.worker", chancy.dsn, chancy.settings.schema, "100") as worker:
            await worker.hear()
            delays_s = []
            for _ in range(WARM_UP + jobs):
                await _pause()
                pushed = Job(func=work.STAMP, kwargs={"pushed_at": time.monotonic()})
                reference = await chancy.push(pushed)
                delays_s.append((await reference.wait(timeout=10)).result)
        return _sample(delays_s[WARM_UP:])

    async def bare() -> Sample:
        chancy = tables[1]
        await bench.level(chancy)
        insert = INSERT.format(schema=chancy.settings.schema)
        async with child("benchmarks.bare", "listen", chancy.dsn, chancy.settings.schema) as loop:
            await loop.hear()
            delays_s = []
            for _ in range(WARM_UP + jobs):
                await _pause()
                kwargs = json.dumps({"pushed_at": time.monotonic()})
                await bench.admin.execute(insert, [str(uuid_utils.uuid7()), kwargs])
                delays_s.append(float(await loop.hear()))
            await bench.admin.execute(insert, [str(uuid_utils.uuid7()), '{"pushed_at": -1}'])
        return _sample(delays_s[WARM_UP:])

    return Scenario(
        name="start",
        how=f"{jobs:,} pushes, one at a time, a few ms apart; from the call of push to the first line of the job",
        subjects={"chancy": ours, "bare": bare},
        comparisons=[
            Comparison("push to start, median", "chancy", "bare", "median_ms", at_most=3.0),
            Comparison("push to start, p99", "chancy", "bare", "p99_ms", at_most=3.0),
        ],
        repeats=3 if bench.quick else 5,
        around=around(),
    )


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0.005, 0.020))


def _sample(delays_s: Sequence[float]) -> Sample:
    return {
        "median_ms": statistics.median(delays_s) * 1e3,
        "p99_ms": statistics.quantiles(delays_s, n=100)[98] * 1e3,
    }
