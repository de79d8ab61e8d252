"""Jobs that raise, with their tracebacks kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import draining, peering, work
from benchmarks.database import Bench
from benchmarks.draining import SUCCEEDED, End
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy, Job


def scenario(bench: Bench) -> Scenario:
    jobs = 20_000 if bench.quick else 50_000
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("failing") as chancy:
            tables.append(chancy)
            yield

    def drained(job: Callable[[int], Job], ends: End) -> Callable[[], Awaitable[Sample]]:
        async def drain() -> Sample:
            await bench.clear(tables[0])
            return await draining.ours(bench, tables[0], jobs, job=job, ends=ends)

        return drain

    beside = [(peer, shape) for shape in ("raises", "raises20") for peer in peering.with_shape(bench, shape)]
    on_postgresql = [peer.label for peer in bench.peers.postgresql if hasattr(peer.driver, "SHAPES")]
    return Scenario(
        name="failing",
        how=(
            f"drained as in drain, {jobs:,} coroutines that raise, peers fewer; what was raised is recorded with its "
            "traceback where a peer does that, and nobody writes it into a log. Tried once more: runs are counted"
        ),
        subjects={
            "succeed": drained(work.nothing_job, SUCCEEDED),
            "one frame": drained(work.raising_job, End("failed")),
            "twenty frames": drained(work.raising20_job, End("failed")),
            "tried once more": drained(work.raising_twice_job, End("failed", runs=2)),
            **{f"{peer.label}, {shape}": partial(peering.drain, bench, peer, shape=shape) for peer, shape in beside},
        },
        comparisons=[
            Comparison("jobs that raise, one frame / succeed", "one frame", "succeed", at_least=0.85),
            Comparison("jobs that raise, twenty frames / succeed", "twenty frames", "succeed", at_least=0.35),
            Comparison("runs that raise, tried once more / succeed", "tried once more", "succeed"),
            Comparison(
                "jobs that raise / best peer", "one frame", [f"{p}, raises" for p in on_postgresql], at_least=2.5
            ),
            Comparison(
                "the same, twenty frames / best peer",
                "twenty frames",
                [f"{p}, raises20" for p in on_postgresql],
                at_least=2.5,
            ),
            *(
                Comparison(f"jobs that raise / {peer.label}", "one frame", f"{peer.label}, raises")
                for peer, shape in beside
                if shape == "raises"
            ),
        ],
        repeats=3 if bench.quick else 5,
        every={f"{peer.label}, {shape}": 3 for peer, shape in beside},
        budget_s=40 if bench.quick else 60,
        around=around(),
    )
