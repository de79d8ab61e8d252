"""How fast one worker process works off what lies there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import draining, peering
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy


def scenario(bench: Bench) -> Scenario:
    jobs = 40_000 if bench.quick else 100_000
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("drain") as chancy:
            tables.append(chancy)
            yield

    async def ours() -> Sample:
        await bench.clear(tables[0])
        return await draining.ours(bench, tables[0], jobs)

    async def bare() -> Sample:
        await bench.clear(tables[0])
        return await draining.bare(bench, tables[0], jobs)

    return Scenario(
        name="drain",
        how=f"{jobs:,} pushed before, worker warm; from the first started_at to the last finished_at in the database",
        subjects={
            "chancy": ours,
            "bare": bare,
            **{peer.label: partial(peering.drain, bench, peer) for peer in bench.peers.all},
        },
        comparisons=[
            Comparison("drain, one worker process / bare loop", "chancy", "bare", at_least=0.75),
            *peering.beside(bench, "drain, one worker process", at_least=2.0),
        ],
        repeats=5 if bench.quick else 9,
        every=dict.fromkeys(bench.peers.names(), 3),
        budget_s=40 if bench.quick else 120,
        around=around(),
    )
