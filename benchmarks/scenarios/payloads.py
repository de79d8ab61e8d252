"""What arguments and results of some size cost, and for how long they hold a worker's event loop."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import draining, peering, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Quantity, Sample, Scenario
from chancy import Chancy, Job, Worker
from chancy_core.cli.garbage import collect_less, keep_all

KILOBYTES = 10
LARGE_KILOBYTES = 1000
# Those whose jobs can carry records.
PEERS = ("pgqueuer", "procrastinate")


def scenario(bench: Bench) -> Scenario:
    jobs = 2_000 if bench.quick else 10_000
    large = 20 if bench.quick else 500
    tables: list[Chancy] = []
    data = work.records(KILOBYTES)

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("payloads") as chancy:
            tables.append(chancy)
            yield

    async def ours(kind: str) -> Sample:
        await bench.clear(tables[0])
        made = {
            "arguments": lambda _: Job(func=work.TAKE, kwargs={"data": data}),
            "results": lambda _: Job(func=work.GIVE, kwargs={"kilobytes": KILOBYTES}),
            "empty": work.nothing_job,
        }[kind]
        return await draining.ours(bench, tables[0], jobs, job=made)

    async def held(kind: str) -> Sample:
        """The longest that a loop with a worker, a push and waits in it stands still."""
        await bench.clear(tables[0])
        # A drain leaves it paused.
        await tables[0].resume_queue("default")
        records = work.records(LARGE_KILOBYTES)
        job = (
            Job(func=work.TAKE, kwargs={"data": records})
            if kind == "arguments"
            else Job(func=work.GIVE, kwargs={"kilobytes": LARGE_KILOBYTES})
        )
        collect_less()
        limits = {"payload_limit_bytes": 4_000_000, "result_limit_bytes": 4_000_000}
        dsn, schema = tables[0].dsn, tables[0].settings.schema
        # As in `chancy worker`: to look through what this process has imported takes as long as to read a megabyte.
        gc.collect()
        keep_all()
        async with Chancy(dsn, schema=schema, discover=False, **limits) as chancy, _watched() as watch:
            references = await chancy.push_many("default", [job] * large)
            async with Worker(chancy):
                # None of them is kept: to look through hundreds of megabytes takes Python a second, whoever holds them.
                for reference in references:
                    await reference.wait()
        gc.unfreeze()
        return {"held_ms": watch.longest_s * 1e3, "held_cpu_ms": watch.longest_cpu_s * 1e3}

    peers = [peer for peer in bench.peers.all if peer.name in PEERS]
    return Scenario(
        name="payloads",
        how=f"drains of {jobs:,} jobs with {KILOBYTES} kB of records; {large} of {LARGE_KILOBYTES} kB in one process",
        subjects={
            **{kind: partial(ours, kind) for kind in ("empty", "arguments", "results")},
            **{f"large {kind}": partial(held, kind) for kind in ("arguments", "results")},
            **{peer.label: partial(peering.drain, bench, peer, jobs=jobs // 5, pad_kb=KILOBYTES) for peer in peers},
        },
        comparisons=[
            Comparison("10 kB of arguments / best peer", "arguments", [peer.label for peer in peers], at_least=2.0),
            Comparison("10 kB of arguments / none", "arguments", "empty"),
            Comparison("10 kB of results / none", "results", "empty"),
            Comparison(
                "1 MB of arguments: longest stand of the loop",
                "large arguments",
                "large results",
                "held_ms",
                within=50.0,
            ),
            Comparison(
                "1 MB of results: longest stand of the loop", "large results", "large arguments", "held_ms", within=50.0
            ),
        ],
        repeats=3 if bench.quick else 5,
        every={**dict.fromkeys([peer.label for peer in peers], 2), "large arguments": 5, "large results": 5},
        budget_s=30 if bench.quick else 70,
        around=around(),
        quantities=[Quantity("longest stand of the loop, ms of its own processor time", "held_cpu_ms", judged=False)],
    )


class _Watch:
    longest_s = 0.0
    longest_cpu_s = 0.0

    async def run(self) -> None:
        while True:
            at, cpu_s = time.perf_counter(), time.process_time()
            await asyncio.sleep(0)
            self.longest_s = max(self.longest_s, time.perf_counter() - at)
            self.longest_cpu_s = max(self.longest_cpu_s, time.process_time() - cpu_s)


@asynccontextmanager
async def _watched() -> AsyncIterator[_Watch]:
    watch = _Watch()
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
