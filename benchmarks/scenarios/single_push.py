"""How fast jobs are stored one after another: each push returns when its job is committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import psycopg

from benchmarks import peering, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy


def scenario(bench: Bench) -> Scenario:
    jobs = 500 if bench.quick else 2000
    tables: list[Chancy] = []
    peers = [] if bench.quick else bench.peers.all

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("single_push") as chancy:
            tables.append(chancy)
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        await bench.empty(chancy)
        await chancy.push(work.nothing_job(0))
        start = time.perf_counter()
        for n in range(jobs):
            await chancy.push(work.nothing_job(n))
        return {"jobs_s": jobs / (time.perf_counter() - start)}

    async def bare() -> Sample:
        await bench.empty(tables[0])
        return await bare_inserts(tables[0], jobs)

    async def without_loop(measured: Callable[[Chancy, int], Sample]) -> Sample:
        await bench.empty(tables[0])
        return await asyncio.to_thread(measured, tables[0], jobs)

    return Scenario(
        name="single_push",
        how=f"{jobs:,} pushes, each after the commit of the one before; beside it: autocommitted INSERTs",
        subjects={
            "chancy": ours,
            "bare": bare,
            "chancy_sync": partial(without_loop, _sync_pushes),
            "bare_sync": partial(without_loop, _sync_inserts),
            **{peer.label: partial(peering.pushes, bench, peer, "single 300", 300) for peer in peers},
        },
        comparisons=[
            Comparison("single pushes, one after another", "chancy", "bare", at_least=0.8),
            Comparison("single pushes, without asyncio", "chancy_sync", "bare_sync", at_least=0.8),
            *(Comparison(f"single pushes, one after another / {peer.label}", "chancy", peer.label) for peer in peers),
        ],
        repeats=3 if bench.quick else 9,
        every={peer.label: 3 for peer in peers},
        budget_s=10 if bench.quick else 40,
        around=around(),
    )


async def bare_inserts(chancy: Chancy, count: int) -> Sample:
    insert = work.INSERT.format(schema=chancy.settings.schema).encode()
    async with await psycopg.AsyncConnection.connect(chancy.dsn, autocommit=True) as connection:
        await connection.execute(insert, work.nothing_row(0))
        start = time.perf_counter()
        for n in range(count):
            await connection.execute(insert, work.nothing_row(n))
        return {"jobs_s": count / (time.perf_counter() - start)}


def _sync_inserts(chancy: Chancy, count: int) -> Sample:
    insert = work.INSERT.format(schema=chancy.settings.schema).encode()
    with psycopg.connect(chancy.dsn, autocommit=True) as connection:
        connection.execute(insert, work.nothing_row(0))
        start = time.perf_counter()
        for n in range(count):
            connection.execute(insert, work.nothing_row(n))
        return {"jobs_s": count / (time.perf_counter() - start)}


def _sync_pushes(chancy: Chancy, count: int) -> Sample:
    with Chancy(chancy.dsn, schema=chancy.settings.schema, discover=False) as other:
        other.sync_push(work.nothing_job(0))
        start = time.perf_counter()
        for n in range(count):
            other.sync_push(work.nothing_job(n))
        return {"jobs_s": count / (time.perf_counter() - start)}
