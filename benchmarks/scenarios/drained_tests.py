"""What a test pays that runs its jobs itself: a thousand trivial jobs, pushed and drained in its own transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy, Job
from chancy.testing import AsyncJobs, Jobs

JOBS = 1000
# What is promised of an idle machine.
WITHIN_S = 1.0


def scenario(bench: Bench) -> Scenario:
    opened: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("drained") as chancy:
            opened.append(chancy)
            yield

    async def with_asyncio(job: Job) -> Sample:
        (chancy,) = opened
        async with AsyncJobs(chancy) as jobs:
            await chancy.push_many([job] * JOBS)
            start = time.perf_counter()
            drained = await jobs.drain()
        return {"drain_s": time.perf_counter() - start, "jobs": float(drained.succeeded)}

    def without(job: Job) -> Sample:
        (chancy,) = opened
        with Jobs(chancy) as jobs:
            chancy.sync_push_many([job] * JOBS)
            start = time.perf_counter()
            drained = jobs.drain()
        return {"drain_s": time.perf_counter() - start, "jobs": float(drained.succeeded)}

    plain, coroutine = (Job.from_func(func, kwargs={"n": 1}) for func in (work.nothing_sync, work.nothing))
    return Scenario(
        name="drained_tests",
        how=f"{JOBS:,} trivial jobs, drained in the transaction of a test",
        subjects={
            "plain functions": partial(asyncio.to_thread, without, plain),
            "coroutine functions": partial(asyncio.to_thread, without, coroutine),
            "with asyncio": partial(with_asyncio, coroutine),
        },
        comparisons=[
            Comparison("plain functions", "plain functions", "plain functions", "drain_s", within=WITHIN_S),
            Comparison("coroutine functions", "coroutine functions", "plain functions", "drain_s", within=WITHIN_S),
            Comparison("with asyncio", "with asyncio", "plain functions", "drain_s", within=WITHIN_S),
        ],
        repeats=5,
        around=around(),
    )
