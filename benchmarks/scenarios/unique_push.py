"""A bulk push of jobs with unique keys, half of which are taken."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uuid_utils

from benchmarks import work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy

INSERT = """
    INSERT INTO {schema}.jobs (id, queue, func, kwargs, unique_key)
    SELECT id, 'default', %(func)s, '{{"n": 1}}', key FROM unnest(%(ids)s::uuid[], %(keys)s::text[]) AS given (id, key)
    ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    """


def scenario(bench: Bench) -> Scenario:
    count = 4_000 if bench.quick else 20_000
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("unique_push") as chancy:
            tables.append(chancy)
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        await bench.empty(chancy)
        jobs = [job.with_unique_key(f"key {n}") for n, job in enumerate(work.nothings(count))]
        await chancy.push_many("default", jobs[::2])
        start = time.perf_counter()
        await chancy.push_many("default", jobs)
        return {"jobs_s": count / (time.perf_counter() - start)}

    async def bare() -> Sample:
        """What has no one to tell which job holds a key."""
        chancy = tables[0]
        await bench.empty(chancy)
        insert = INSERT.format(schema=chancy.settings.schema)
        keys = [f"key {n}" for n in range(count)]

        async def stored(some: list[str]) -> None:
            ids = [str(uuid_utils.uuid7()) for _ in some]
            await bench.admin.execute(insert, {"func": work.NOTHING, "ids": ids, "keys": some})

        await stored(keys[::2])
        start = time.perf_counter()
        await stored(keys)
        return {"jobs_s": count / (time.perf_counter() - start)}

    return Scenario(
        name="unique_push",
        how=f"{count:,} jobs with unique keys, half of them taken; from push_many to its commit",
        subjects={"chancy": ours, "bare": bare},
        comparisons=[Comparison("unique keys in bulk, half taken / bare INSERT", "chancy", "bare")],
        repeats=3 if bench.quick else 5,
        budget_s=20 if bench.quick else 40,
        around=around(),
    )
