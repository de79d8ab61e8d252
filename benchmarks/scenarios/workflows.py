"""Workflows, from their push to their end, beside plain jobs and beside others; and what those cost that wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from benchmarks import draining, peering, work
from benchmarks.children import child
from benchmarks.database import Bench, push
from benchmarks.frame import Comparison, Sample, Scenario, Subject
from chancy import Chancy

PLUGINS = ("workflow",)
LOOK_EVERY_S = 0.02
# The order is that of `FLOWS` of the peers.
SHAPES = {"fan_in": "{n:,} steps before one", "chain": "a chain of {n:,}", "tens": "{n:,} steps in workflows of ten"}
TOLD = "steps a second"


def fan_in(count: int) -> Any:
    """So many steps, and one after them."""
    flow = _flow()
    flow.add("last", work.nothing_job(0), after=[flow.add(f"s{n}", work.nothing_job(n)) for n in range(count)])
    return [flow]


def chain(count: int) -> Any:
    """So many steps, each after the one before."""
    flow = _flow()
    last: Any = ()
    for n in range(count):
        last = flow.add(f"s{n}", work.nothing_job(n), after=last)
    return [flow]


def tens(count: int) -> Any:
    """Workflows of ten steps: one, eight after it, and one after these."""
    flow = _flow()
    first = flow.add("first", work.nothing_job(0))
    flow.add("last", work.nothing_job(9), after=[flow.add(f"s{n}", work.nothing_job(n), after=first) for n in range(8)])
    # The same value, pushed as often.
    return [flow] * (count // 10)


def wide(count: int) -> Any:
    """So many steps, one after them, and as many after that."""
    (flow,) = fan_in(count)
    flow.add(
        "end", work.nothing_job(1), after=[flow.add(f"t{n}", work.nothing_job(n), after="last") for n in range(count)]
    )
    return [flow]


def waiting() -> Any:
    """One that waits for a signal, and has a step after that."""
    flow = _flow()
    flow.add("last", work.nothing_job(0), after=flow.wait("signal"))
    return flow


def _flow() -> Any:
    from chancy_workflow import Workflow  # noqa: PLC0415 -- a plugin, which only this scenario needs

    return Workflow("bench")


class Place:
    """The tables of workflows, and a worker that has run some."""

    def __init__(self, bench: Bench, chancy: Chancy) -> None:
        self.bench = bench
        self.chancy = chancy

    async def flows(self, make: Callable[[int], Any], count: int) -> Sample:
        """Push workflows, and wait until they have ended."""
        async with self._worker():
            await self._ended(make(20))
            await self.bench.level(self.chancy)
            flows = make(count)
            start = time.perf_counter()
            pushed_s = await self._ended(flows)
            seconds = time.perf_counter() - start
        return {
            "steps_s": count / seconds,
            "us_per_step": seconds / count * 1e6,
            "seconds": seconds,
            "push_s": pushed_s,
        }

    async def plain(self, count: int) -> Sample:
        """Push as many plain jobs, and wait until they have ended."""
        async with self._worker():
            await draining.wait(self.bench, self.chancy, await push(self.chancy, work.nothings(20)))
            await self.bench.level(self.chancy)
            jobs = work.nothings(count)
            start = time.perf_counter()
            await draining.wait(self.bench, self.chancy, await push(self.chancy, jobs))
            return {"seconds": time.perf_counter() - start}

    async def _ended(self, flows: Sequence[Any]) -> float:
        """Seconds that the push took."""
        start = time.perf_counter()
        # As an application that has many at once: in one transaction.
        async with self.chancy.pool.transaction() as connection:
            for flow in flows:
                await self.chancy.push(flow, connection=connection)
        seconds = time.perf_counter() - start
        left = f"SELECT NOT EXISTS (SELECT FROM {self.chancy.settings.schema}.workflow_runs WHERE state = 'running')"
        async with asyncio.timeout(draining.PATIENCE_S):
            while not await self.bench.one(left):  # noqa: ASYNC110 -- the condition is the database's
                await asyncio.sleep(LOOK_EVERY_S)
        return seconds

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[None]:
        schema = self.chancy.settings.schema
        await self.bench.clear(self.chancy)
        names = ", ".join(f"{schema}.workflow_{table}" for table in ("runs", "steps", "edges", "signals"))
        await self.bench.admin.execute(f"TRUNCATE {names}")
        async with child("benchmarks.worker", self.chancy.dsn, schema, "100", *PLUGINS) as worker:
            await worker.hear()
            yield


def scenario(bench: Bench) -> Scenario:
    counts = {"fan_in": 10_000, "chain": 1_000, "tens": 10_000}
    wait_count, drained = 10_000, 100_000
    if bench.quick:
        counts = {shape: count // 10 for shape, count in counts.items()}
        wait_count, drained = 1_000, 20_000
    places: dict[str, Place] = {}
    peers = peering.with_flows(bench)

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for name in ("flows", "waiting", "alone"):
                chancy = await stack.enter_async_context(bench.schema(name, work.plugins(PLUGINS)))
                places[name] = Place(bench, chancy)
            async with places["waiting"].chancy.pool.transaction() as connection:
                for _ in range(wait_count):
                    await places["waiting"].chancy.push(waiting(), connection=connection)
            await bench.admin.execute("ANALYZE")
            yield

    def ours(make: Callable[[int], Any], count: int) -> Subject:
        return lambda: places["flows"].flows(make, count)

    async def drain(where: str) -> Sample:
        await bench.clear(places[where].chancy)
        return await draining.ours(bench, places[where].chancy, drained, plugins=PLUGINS)

    width = counts["fan_in"]
    subjects: dict[str, Subject] = {
        "wide": ours(wide, width),
        "plain": lambda: places["flows"].plain(2 * width),
        "waiting": partial(drain, "waiting"),
        "alone": partial(drain, "alone"),
    }
    rows = [
        Comparison(
            f"{width:,} → 1 → {width:,} / as many plain jobs", "wide", "plain", "seconds", at_most=1.3, paired=True
        ),
        Comparison(f"push of {width:,} steps", "fan_in", "plain", "push_s", within=1.0, baseline_metric="seconds"),
        Comparison(f"drain beside {wait_count:,} that wait / alone", "waiting", "alone", at_least=0.98, paired=True),
    ]
    for shape, make in (("fan_in", fan_in), ("chain", chain), ("tens", tens)):
        subjects[shape] = ours(make, counts[shape])
        what = SHAPES[shape].format(n=counts[shape])
        for peer in peers:
            subjects[f"{peer.label} {shape}"] = partial(peering.flows, bench, peer, shape)
            rows.append(Comparison(f"{what}, {TOLD} / {peer.label}", shape, f"{peer.label} {shape}", "steps_s"))
    return Scenario(
        name="workflows",
        how="from before the push to the end of all runs, worker warm, one process; peers run fewer steps, and are "
        "compared by the steps of a second",
        subjects=subjects,
        comparisons=rows,
        repeats=3 if bench.quick else 5,
        every={name: 3 for name in subjects if any(name.startswith(peer.label) for peer in peers)},
        budget_s=60,
        around=around(),
    )
