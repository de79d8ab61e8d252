"""How fast many tasks of one process push single jobs: those that wait for a write are written together by the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import peering, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from benchmarks.scenarios.single_push import bare_inserts
from chancy import Chancy

TASKS = 50
JOBS = 5000


def scenario(bench: Bench) -> Scenario:
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("many_pushers") as chancy:
            tables.append(chancy)
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        await bench.empty(chancy)
        await chancy.push(work.nothing_job(0))

        async def push_some() -> None:
            for n in range(JOBS // TASKS):
                await chancy.push(work.nothing_job(n))

        start = time.perf_counter()
        await asyncio.gather(*(push_some() for _ in range(TASKS)))
        return {"jobs_s": JOBS / (time.perf_counter() - start)}

    async def bare() -> Sample:
        await bench.empty(tables[0])
        return await bare_inserts(tables[0], JOBS // 10)

    return Scenario(
        name="many_pushers",
        how=f"{JOBS:,} single pushes from {TASKS} tasks; beside it: autocommitted INSERTs one after another",
        subjects={
            "chancy": ours,
            "bare": bare,
            **{
                peer.label: partial(peering.pushes, bench, peer, f"many {JOBS} {TASKS}", JOBS)
                for peer in bench.peers.all
            },
        },
        comparisons=[
            Comparison(f"single pushes from {TASKS} tasks / bare INSERTs", "chancy", "bare"),
            *peering.beside(bench, f"single pushes from {TASKS} tasks", at_least=8.0),
        ],
        repeats=3 if bench.quick else 9,
        every=dict.fromkeys(bench.peers.names(), 4),
        budget_s=10 if bench.quick else 40,
        around=around(),
    )
