"""What a second worker process brings, and a third and fourth; each drain checks that no job ran twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import draining, peering
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy


def scenario(bench: Bench) -> Scenario:
    jobs = 30_000 if bench.quick else 100_000
    tables: list[Chancy] = []
    # One process of the others is far from using this machine up, or they have a runtime of their own.
    peers = [] if bench.quick else [peer for peer in bench.peers.postgresql if peer.name == "pgqueuer"]

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("workers") as chancy:
            tables.append(chancy)
            yield

    async def drained(processes: int) -> Sample:
        await bench.clear(tables[0])
        return await draining.ours(bench, tables[0], jobs, processes=processes)

    async def by_command(processes: int) -> Sample:
        await bench.clear(tables[0])
        start = partial(draining.supervised, bench, tables[0], processes)
        return await draining.ours(bench, tables[0], jobs, start=start)

    return Scenario(
        name="workers",
        how=(
            f"{jobs:,} drained as in `drain` by several worker processes; the command's are started by "
            "`chancy worker --processes N`"
        ),
        subjects={
            "one": partial(drained, 1),
            "two": partial(drained, 2),
            "four": partial(drained, 4),
            "command, one": partial(by_command, 1),
            "command, two": partial(by_command, 2),
            **{f"{peer.label}, two": partial(peering.drain, bench, peer, 2) for peer in peers},
        },
        comparisons=[
            Comparison("two worker processes / one", "two", "one", at_least=1.3),
            # Not below two, as far as a median of few can tell.
            Comparison("four worker processes / two", "four", "two", at_least=0.95),
            Comparison("chancy worker --processes 2 / 1", "command, two", "command, one", at_least=1.3),
            Comparison("two worker processes / best peer's two", "two", [f"{peer.label}, two" for peer in peers]),
        ],
        repeats=3 if bench.quick else 7,
        every={f"{peer.label}, two": 3 for peer in peers},
        budget_s=30 if bench.quick else 100,
        around=around(),
    )
