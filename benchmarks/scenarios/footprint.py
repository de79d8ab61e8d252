"""What a process is: how long its import takes, how soon it runs its first job, how much memory it holds when idle."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks import peering, work
from benchmarks.children import child
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Quantity, Sample, Scenario
from benchmarks.peers.catalog import Peer
from chancy import Chancy, Job

IMPORTS = 5
IDLE_S = 1.0
QUANTITIES = (
    Quantity("import, ms", "import_ms", judged=False),
    Quantity("from the start of the process to its first job, ms", "first_ms", judged=False),
    Quantity("memory of an idle worker, MB", "memory_mb", judged=False),
)


def scenario(bench: Bench) -> Scenario:
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("footprint") as chancy:
            tables.append(chancy)
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        import_s = await _import_s(sys.executable, "from chancy import Chancy, Worker")
        start = time.monotonic()
        reference = await chancy.push(Job(func=work.STAMP, kwargs={"pushed_at": start}))
        start = time.monotonic() - start
        async with child("benchmarks.worker", chancy.dsn, chancy.settings.schema, "100") as worker:
            first_s = (await reference.wait(timeout=10)).result - start
            await worker.hear()
            await asyncio.sleep(IDLE_S)
            return _sample(import_s, first_s, worker.memory_bytes())

    async def theirs(peer: Peer) -> Sample:
        import_s = await _import_s(str(peer.python), peer.driver.IMPORT)
        async with peering.place(bench, peer) as where:
            async with where.child("producer") as producer:
                await producer.ask("stamp")
            start = time.monotonic()
            async with where.child("worker", "100") as worker:
                worker.tell("go")
                first_s = await _first_s(worker, start)
                await asyncio.sleep(IDLE_S)
                return _sample(import_s, first_s, worker.memory_bytes())

    names = bench.peers.names()
    targets = [("import_ms", "import"), ("first_ms", "start of a process to its first job"), ("memory_mb", "memory")]
    return Scenario(
        name="footprint",
        how=f"import: median of {IMPORTS} processes; memory: resident {IDLE_S:.0f} s after the first job",
        subjects={"chancy": ours, **{peer.label: partial(theirs, peer) for peer in bench.peers.all}},
        comparisons=[Comparison(f"{what} / best", "chancy", names, metric, at_most=1.1) for metric, what in targets],
        repeats=3,
        budget_s=25,
        around=around(),
        quantities=QUANTITIES,
    )


async def _first_s(worker: peering.Child, start: float) -> float:
    """When the first job began, measured from here; the time that it names is that of its push."""
    while "delay_s" not in await worker.hear():
        pass
    return time.monotonic() - start


async def _import_s(python: str, statement: str) -> float:
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    found = []
    for _ in range(IMPORTS):
        process = await asyncio.create_subprocess_exec(python, "-P", "-c", code, stdout=PIPE)
        out, _ = await process.communicate()
        found.append(float(out))
    return statistics.median(found)


def _sample(import_s: float, first_s: float, memory_bytes: int) -> Sample:
    return {"import_ms": import_s * 1e3, "first_ms": first_s * 1e3, "memory_mb": memory_bytes / 1e6}
