"""What a job costs, counted and not timed, so that the machine's mood has no say in it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from benchmarks import draining, peering, work
from benchmarks.children import child
from benchmarks.database import Bench, push
from benchmarks.frame import Comparison, Quantity, Sample, Scenario
from benchmarks.metering import Meter, Proxy, metered, proxy
from benchmarks.peers.catalog import Peer
from chancy import Chancy

JOBS = 20_000
SINGLE = 200
QUANTITIES = (
    Quantity("WAL bytes a job, without page images", "wal_bytes"),
    Quantity("… of these for its push in bulk", "push_wal_bytes", judged=False),
    Quantity("dead rows a job", "dead_rows"),
    Quantity("index entries a job", "index_entries"),
    Quantity("statements a job, pushed in bulk and run", "statements"),
    Quantity("round trips a job, pushed in bulk and run", "round_trips"),
    Quantity("statements a single push", "single_statements"),
    Quantity("round trips a single push", "single_round_trips"),
    Quantity("worker's processor time a job, µs", "cpu_us_per_job"),
)


def scenario(bench: Bench) -> Scenario:
    proxies: list[Proxy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="chancy-bench-") as folder:
            async with proxy(bench.dsn, Path(folder)) as found:
                proxies.append(found)
                yield

    async def ours() -> Sample:
        dsn = bench.url(bench.database, str(proxies[0].host))
        async with AsyncExitStack() as stack:
            made = await stack.enter_async_context(bench.schema("cost"))
            schema = made.settings.schema
            meter = await stack.enter_async_context(metered(bench, bench.database))
            chancy = await stack.enter_async_context(Chancy(dsn, schema=schema, discover=False))
            worker = await stack.enter_async_context(child("benchmarks.worker", dsn, schema, "100"))
            await worker.hear()
            await draining.wait(bench, chancy, await push(chancy, work.nothings(peering.WARM_UP)))
            await draining.pause(bench, chancy)
            counter = await _Counter.started(meter, proxies[0])
            await push(chancy, work.nothings(JOBS))
            pushed = await counter.read()
            await made.resume_queue("default")
            cpu_s = await worker.cpu_s()
            await draining.until(bench, f"SELECT NOT EXISTS (SELECT FROM {schema}.jobs)")
            ran = await counter.read()
            cpu_s = await worker.cpu_s() - cpu_s
            await draining.pause(bench, chancy)
            await chancy.push(work.nothing_job(0))
            counter = await _Counter.started(meter, proxies[0])
            for n in range(SINGLE):
                await chancy.push(work.nothing_job(n))
            return _sample(JOBS, pushed, ran, await counter.read(), cpu_s)

    async def theirs(peer: Peer) -> Sample:
        jobs = peer.driver.JOBS
        async with peering.place(bench, peer) as where, AsyncExitStack() as stack:
            meter = await stack.enter_async_context(metered(bench, where.database))
            dsn = bench.url(where.database, str(proxies[0].host))
            workers = await stack.enter_async_context(peering.workers(where, 1, dsn=dsn))
            producer = await stack.enter_async_context(where.child("producer", dsn=dsn))
            counter = await _Counter.started(meter, proxies[0])
            await producer.ask(f"bulk {jobs}")
            pushed = await counter.read()
            cpu_us = (await peering.drained(where, workers, jobs))["cpu_us_per_job"]
            ran = await counter.read()
            await peering.halt(workers)
            await producer.ask("single 1")
            counter = await _Counter.started(meter, proxies[0])
            # One more, which the producer begins with.
            await producer.ask(f"single {SINGLE - 1}")
            return _sample(jobs, pushed, ran, await counter.read(), cpu_us * jobs / 1e6)

    names = bench.peers.names(redis=False)
    return Scenario(
        name="cost",
        how="counted while jobs are pushed in bulk and run by a warm worker; a proxy counts round trips",
        subjects={"chancy": ours, **{peer.label: partial(theirs, peer) for peer in bench.peers.postgresql}},
        comparisons=[Comparison("WAL bytes a job / best peer", "chancy", names, "wal_bytes", at_most=1.0)],
        repeats=2,
        budget_s=45,
        around=around(),
        quantities=QUANTITIES,
    )


class _Counter:
    def __init__(self, meter: Meter, through: Proxy) -> None:
        self._meter = meter
        self._proxy = through

    @classmethod
    async def started(cls, meter: Meter, through: Proxy) -> _Counter:
        await meter.start()
        through.round_trips = 0
        return cls(meter, through)

    async def read(self) -> Sample:
        trips = self._proxy.round_trips
        return {**await self._meter.read(), "round_trips": trips}


def _sample(jobs: int, pushed: Sample, ran: Sample, single: Sample, cpu_s: float) -> Sample:
    return {
        **{name: value / jobs for name, value in ran.items()},
        **{f"push_{name}": value / jobs for name, value in pushed.items()},
        **{f"single_{name}": value / SINGLE for name, value in single.items()},
        "cpu_us_per_job": cpu_s / jobs * 1e6,
    }
