"""What it takes to wait for jobs that have finished already, one after another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Reference, Worker

JOBS = 500


def scenario(bench: Bench) -> Scenario:
    found: list[Reference] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("waits") as chancy:
            found.extend(await chancy.push_many("default", work.nothings(JOBS)))
            async with Worker(chancy):
                await chancy.wait_for_jobs(found)
            with chancy:
                yield

    async def one_by_one() -> Sample:
        start = time.perf_counter()
        for reference in found:
            await reference.wait()
        return {"seconds": time.perf_counter() - start}

    async def in_a_thread() -> Sample:
        start = time.perf_counter()
        await asyncio.to_thread(lambda: [reference.sync_wait() for reference in found])
        return {"seconds": time.perf_counter() - start}

    return Scenario(
        name="waits",
        how=f"wait() for {JOBS} finished jobs, one after another",
        subjects={"chancy": one_by_one, "without asyncio": in_a_thread},
        comparisons=[
            Comparison(f"waiting for {JOBS} finished jobs", "chancy", "without asyncio", "seconds", within=1.0),
        ],
        repeats=5,
        budget_s=20,
        around=around(),
    )
