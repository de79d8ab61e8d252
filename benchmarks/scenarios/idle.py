"""What workers cost that have nothing to do: fifty on one database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from functools import partial

from benchmarks import peering
from benchmarks.children import Child, child
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Quantity, Sample, Scenario
from benchmarks.metering import metered
from benchmarks.peers.catalog import Peer

WORKERS = 50
# So many start at a time: all at once they would only wait for each other.
TOGETHER = 4
SETTLED_S = 5.0
QUANTITIES = (
    Quantity(f"statements a second of {WORKERS} idle workers", "statements_s"),
    Quantity(f"connections of {WORKERS} idle workers", "connections"),
    Quantity(f"processor time of {WORKERS} idle workers, ms a second", "cpu_ms_s"),
    Quantity("memory of one of them, MB", "memory_mb", judged=False),
)


def scenario(bench: Bench) -> Scenario:
    seconds = 10.0

    async def ours() -> Sample:
        async with bench.schema("idle") as chancy:
            arguments = ("benchmarks.worker", bench.url(bench.database), chancy.settings.schema, "100")

            async def ready(_: Child) -> None:
                """Its first line said so."""

            return await _watched(bench, bench.database, partial(child, *arguments), ready, hears=True, seconds=seconds)

    async def theirs(peer: Peer) -> Sample:
        async with peering.place(bench, peer) as where:

            async def ready(worker: Child) -> None:
                await worker.ask("go")

            started = partial(where.child, "worker", "100")
            return await _watched(bench, where.database, started, ready, hears=False, seconds=seconds)

    names = bench.peers.names(redis=False)
    return Scenario(
        name="idle",
        how=f"{WORKERS} workers with an empty queue, watched for {seconds:.0f} s after {SETTLED_S:.0f} s",
        subjects={"chancy": ours, **{peer.label: partial(theirs, peer) for peer in bench.peers.postgresql}},
        comparisons=[
            Comparison(f"{WORKERS} idle workers: statements / best", "chancy", names, "statements_s", at_most=1.0),
            Comparison(f"{WORKERS} idle workers: connections / best", "chancy", names, "connections", at_most=1.0),
        ],
        repeats=1,
        around=nullcontext(),
        quantities=QUANTITIES,
    )


async def _watched(
    bench: Bench,
    database: str,
    started: Callable[[], AbstractAsyncContextManager[Child]],
    ready: Callable[[Child], Awaitable[None]],
    *,
    hears: bool,
    seconds: float,
) -> Sample:
    async with metered(bench, database) as meter, AsyncExitStack() as stack:
        others = await _connections(bench, database)
        room = asyncio.Semaphore(TOGETHER)

        async def one() -> Child:
            async with room:
                worker = await stack.enter_async_context(started())
                if hears:
                    await worker.hear()
                await ready(worker)
                return worker

        workers = await asyncio.gather(*(one() for _ in range(WORKERS)))
        await asyncio.sleep(SETTLED_S)
        await meter.start()
        cpu_s = sum(worker.cpu_used_s() for worker in workers)
        await asyncio.sleep(seconds)
        statements = await meter.statements()
        cpu_s = sum(worker.cpu_used_s() for worker in workers) - cpu_s
        return {
            "statements_s": statements / seconds,
            "connections": await _connections(bench, database) - others,
            "cpu_ms_s": cpu_s / seconds * 1e3,
            "memory_mb": sum(worker.memory_bytes() for worker in workers) / len(workers) / 1e6,
        }


async def _connections(bench: Bench, database: str) -> float:
    counted = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
    return float(await bench.one(counted, [database]))
