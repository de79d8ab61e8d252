"""How fast jobs are stored in calls of some of them: what an application has at hand when it pushes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import peering, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from benchmarks.peers.catalog import Peer
from chancy import Chancy

# How many jobs a call has, and how many are stored altogether.
SIZES = {1000: 50_000, 100: 10_000, 10: 2_000}


def scenario(bench: Bench) -> Scenario:
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("push_calls") as chancy:
            tables.append(chancy)
            yield

    async def ours(size: int) -> Sample:
        chancy = tables[0]
        await bench.empty(chancy)
        calls = [work.nothings(size) for _ in range(SIZES[size] // size)]
        await chancy.push_many("default", calls[0])
        start = time.perf_counter()
        for jobs in calls:
            await chancy.push_many("default", jobs)
        return {"jobs_s": SIZES[size] / (time.perf_counter() - start)}

    async def theirs(peer: Peer, size: int) -> Sample:
        return await peering.pushes(bench, peer, f"calls {SIZES[size]} {size}", SIZES[size])

    def names(size: int, *, redis: bool) -> list[str]:
        return [_of(name, size) for name in bench.peers.names(redis=redis)]

    return Scenario(
        name="push_calls",
        how="push_many one call after another, each of so many Job objects; from the first call to the last commit",
        subjects={
            **{_of("chancy", size): partial(ours, size) for size in SIZES},
            **{_of(peer.label, size): partial(theirs, peer, size) for size in SIZES for peer in bench.peers.all},
        },
        comparisons=[
            comparison
            for size in SIZES
            for comparison in (
                Comparison(
                    f"push_many in calls of {size:,} / best peer",
                    _of("chancy", size),
                    names(size, redis=False),
                    at_least=2.5,
                ),
                *(
                    Comparison(f"push_many in calls of {size:,} / {name}", _of("chancy", size), _of(name, size))
                    for name in bench.peers.names()
                ),
            )
        ],
        repeats=3 if bench.quick else 5,
        every={_of(name, size): 2 for size in SIZES for name in bench.peers.names()},
        budget_s=25 if bench.quick else 70,
        around=around(),
    )


def _of(who: str, size: int) -> str:
    return f"{who}, calls of {size:,}"
