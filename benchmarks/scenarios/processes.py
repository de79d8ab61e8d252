"""Plain functions in two child processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import draining, peering, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Scenario
from chancy import Chancy

CHILDREN = 2


def scenario(bench: Bench) -> Scenario:
    jobs, few = (20_000, 4_000) if bench.quick else (50_000, 15_000)
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("processes") as chancy:
            tables.append(chancy)
            yield

    drained = partial(draining.by_executor, bench, tables)
    peers = peering.with_shape(bench, "children")
    return Scenario(
        name="processes",
        how=f"drained as in drain, {few:,} empty plain functions in {CHILDREN} children, replaced after 1,000 each",
        subjects={
            "coroutines": drained(Chancy.Executor.Async, jobs, work.nothing_job, 100),
            "children": drained(Chancy.Executor.Process, few, work.nothing_sync_job, CHILDREN),
            **{
                f"{peer.label}, two children": partial(peering.drain, bench, peer, shape="children", slots=CHILDREN)
                for peer in peers
            },
        },
        comparisons=[
            Comparison("two child processes / coroutines", "children", "coroutines", at_least=0.2),
            *(
                Comparison(f"two child processes / {p.label}", "children", f"{p.label}, two children", at_least=4.0)
                for p in peers
            ),
        ],
        repeats=3 if bench.quick else 5,
        every={f"{p.label}, two children": 3 for p in peers},
        budget_s=30,
        around=around(),
    )
