"""Plain functions in threads: empty ones, and ones that wait for 5 ms, as for another service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import draining, peering, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Scenario
from chancy import Chancy

SLOTS = 16
# Sixteen that wait for 5 ms each.
MOST_S = SLOTS / 0.005


def scenario(bench: Bench) -> Scenario:
    jobs = 20_000 if bench.quick else 50_000
    sleeping = 4_000 if bench.quick else 10_000
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("threads") as chancy:
            tables.append(chancy)
            yield

    drained = partial(draining.by_executor, bench, tables)
    plain, sleeps = peering.with_shape(bench, "plain"), peering.with_shape(bench, "sleeps")
    return Scenario(
        name="threads",
        how=(
            f"drained as in drain, {jobs:,} empty plain functions, {sleeping:,} that sleep for 5 ms (at most "
            f"{MOST_S:,.0f} a second), {SLOTS} at a time; peers fewer"
        ),
        subjects={
            "coroutines": drained(Chancy.Executor.Async, jobs, work.nothing_job, 100),
            "plain": drained(Chancy.Executor.Threaded, jobs, work.nothing_sync_job, SLOTS),
            "sleeping": drained(Chancy.Executor.Threaded, sleeping, work.sleep_sync_job, SLOTS),
            **{
                f"{peer.label}, plain": partial(peering.drain, bench, peer, shape="plain", slots=SLOTS)
                for peer in plain
            },
            **{
                f"{peer.label}, sleeping": partial(peering.drain, bench, peer, shape="sleeps", slots=SLOTS)
                for peer in sleeps
            },
        },
        comparisons=[
            Comparison("plain functions, 16 threads / coroutines", "plain", "coroutines", at_least=0.6),
            Comparison(
                "plain functions, 16 threads / best peer", "plain", [f"{p.label}, plain" for p in plain], at_least=3.0
            ),
            *(Comparison(f"plain functions / {p.label}", "plain", f"{p.label}, plain") for p in plain),
            *(
                Comparison(
                    f"sleeping 5 ms / {p.label}",
                    "sleeping",
                    f"{p.label}, sleeping",
                    at_least=1.8 if p.name == "dramatiq" else None,
                    # No faster than all threads, all of the time.
                    enough=0.9 * MOST_S if p.name == "dramatiq" else None,
                )
                for p in sleeps
            ),
        ],
        repeats=3 if bench.quick else 5,
        every={f"{p.label}, {shape}": 3 for p in plain for shape in ("plain", "sleeping")},
        budget_s=30 if bench.quick else 60,
        around=around(),
    )
