"""What peers are asked to do, each on a database of its own that is as new."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.children import Child, program
from benchmarks.database import Bench, Connection
from benchmarks.frame import Comparison, Sample
from benchmarks.peers.catalog import Peer

RUN = Path(__file__).parent / "peers" / "run.py"
WARM_UP = 200
FLOW_WARM_UP = 20
# The shape of jobs that every driver has: what it runs best, and with nothing in it.
NOTHING = "nothing"
LOOK_EVERY_S = 0.01
PATIENCE_S = 120.0
# A drain ends after so long, whatever is left: what was done until then has a pace as well.
DRAIN_WITHIN_S = 30.0


class Place:
    """Where a peer keeps its jobs.

    Attributes:
        peer: whose it is.
        database: its name, if it is one.
        dsn: for its processes.
        admin: an autocommitting connection, if it is a database.
        shape: what its jobs do: see `peers/run.py`.
    """

    def __init__(self, peer: Peer, database: str, dsn: str, admin: Connection | None) -> None:
        self.shape = NOTHING
        self.peer = peer
        self.database = database
        self.dsn = dsn
        self.admin = admin

    @asynccontextmanager
    async def child(self, *arguments: str, dsn: str | None = None) -> AsyncIterator[Child]:
        """Its producer, or a worker that waits for `go`."""
        role, *others = arguments
        command = (str(self.peer.python), "-P", str(RUN), self.peer.name, role, dsn or self.dsn, *others)
        async with program(*command, name=f"{self.peer.name} {role}") as found:
            await found.hear()
            yield found

    async def fill(self, what: str, count: int) -> None:
        """Rows that lie beside what is drained."""
        assert self.admin is not None
        for statement in self.peer.driver.FILLS[what].split(";"):
            await self.admin.execute(statement, {"count": count} if "%(count)s" in statement else None)

    async def level(self) -> None:
        if self.admin is not None:
            await self.admin.execute("VACUUM (ANALYZE)")
            await self.admin.execute("CHECKPOINT")

    async def span(self, since: dt.datetime) -> tuple[int, dt.datetime, dt.datetime]:
        """How many finished since then, the first start, and when the last was recorded."""
        assert self.admin is not None
        driver = self.peer.driver
        sql = driver.SPAN_RAISED if self.shape.startswith("raises") else driver.SPAN
        row = await (await self.admin.execute(sql, {"since": since})).fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    async def now(self) -> dt.datetime:
        assert self.admin is not None
        row = await (await self.admin.execute("SELECT clock_timestamp()")).fetchone()
        assert row is not None
        found: dt.datetime = row[0]
        return found


def beside(
    bench: Bench, what: str, metric: str = "jobs_s", *, at_least: float | None = None, at_most: float | None = None
) -> list[Comparison]:
    """A row against the best peer with PostgreSQL, which is judged, and one against each peer."""
    best = Comparison(f"{what} / best peer", "chancy", bench.peers.names(redis=False), metric, at_least, at_most)
    # Which way is better decides who is best among several; among one it does not matter.
    return [best, *(Comparison(f"{what} / {name}", "chancy", name, metric) for name in bench.peers.names())]


def with_shape(bench: Bench, shape: str) -> list[Peer]:
    """The peers that run jobs of this shape, those with PostgreSQL first."""
    return [peer for peer in bench.peers.all if shape in getattr(peer.driver, "SHAPES", {})]


def with_flows(bench: Bench) -> list[Peer]:
    """The peers that run workflows."""
    return [peer for peer in bench.peers.everyone if hasattr(peer.driver, "FLOWS")]


@asynccontextmanager
async def place(bench: Bench, peer: Peer, suffix: str = "") -> AsyncIterator[Place]:
    """A new database in which the peer is installed, or an empty Redis."""
    if peer.redis is not None:
        found = Place(peer, "", peer.redis, None)
        async with found.child("producer") as producer:
            await producer.ask("clear")
        yield found
        return
    template, name = f"bench_{peer.name}_new", f"bench_{peer.name}{suffix}"
    if not await bench.one("SELECT true FROM pg_database WHERE datname = %s", [template]):
        await bench.admin.execute(f"CREATE DATABASE {template}")
        await _install(peer, bench.url(template))
    await bench.admin.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")
    await bench.admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        async with await psycopg.AsyncConnection.connect(bench.url(name), autocommit=True) as admin:
            await admin.execute("SET client_min_messages = error")
            yield Place(peer, name, bench.url(name), admin)
    finally:
        await bench.admin.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")


async def _install(peer: Peer, dsn: str) -> None:
    command = (str(peer.python), "-P", str(RUN), peer.name, "install", dsn)
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise RuntimeError(f"{peer.label} could not be installed in its database.")


async def drain(
    bench: Bench,
    peer: Peer,
    processes: int = 1,
    jobs: int | None = None,
    *,
    shape: str = NOTHING,
    slots: int = 100,
    pad_kb: int = 0,
) -> Sample:
    """Workers that are warm are let at jobs that lie there, each with so many kilobytes of arguments."""
    count = jobs or (peer.driver.JOBS if shape == NOTHING else peer.driver.SHAPES[shape])
    async with place(bench, peer) as where:
        where.shape = shape
        async with workers(where, processes, slots=slots) as children:
            await push(where, count, pad_kb=pad_kb)
            return await drained(where, children, count)


async def push(where: Place, jobs: int, *, pad_kb: int = 0) -> float:
    """Seconds of one bulk push."""
    async with where.child("producer") as producer:
        if pad_kb:
            await producer.ask(f"pad {pad_kb}")
        return float(json.loads(await producer.ask(f"bulk {jobs}"))["seconds"])


@asynccontextmanager
async def workers(
    where: Place, processes: int, dsn: str | None = None, *, slots: int = 100
) -> AsyncIterator[list[Child]]:
    """Worker processes that have run some jobs, and stopped."""
    async with AsyncExitStack() as stack:
        arguments = ("worker", str(slots), where.shape)
        children = [await stack.enter_async_context(where.child(*arguments, dsn=dsn)) for _ in range(processes)]
        await push(where, WARM_UP)
        await go(children)
        await _counted(children, WARM_UP)
        await _none_left(where)
        await halt(children)
        yield children


async def go(children: Sequence[Child]) -> None:
    await asyncio.gather(*(child.ask("go") for child in children))


async def halt(children: Sequence[Child]) -> None:
    await asyncio.gather(*(child.ask("halt") for child in children))


async def count(children: Sequence[Child]) -> int:
    return sum([int(await child.ask("count")) for child in children])


async def drained(where: Place, children: Sequence[Child], jobs: int, *, within_s: float = DRAIN_WITHIN_S) -> Sample:
    """Let workers at what lies there until `jobs` have finished, or for so long. They go on afterwards."""
    await where.level()
    if where.admin is None:
        return await _drained_elsewhere(where, children, within_s)
    since = await where.now()
    cpu_s = sum([await child.cpu_s() for child in children])
    before = await count(children)
    await go(children)
    await _counted(children, before + jobs, within_s)
    finished, first, last = await where.span(since)
    async with asyncio.timeout(PATIENCE_S):
        # What has run is recorded a moment later.
        while finished < min(jobs, await count(children) - before):
            await asyncio.sleep(LOOK_EVERY_S)
            finished, first, last = await where.span(since)
    cpu_s = sum([await child.cpu_s() for child in children]) - cpu_s
    return {"jobs_s": finished / (last - first).total_seconds(), "cpu_us_per_job": cpu_s / finished * 1e6}


async def _drained_elsewhere(where: Place, children: Sequence[Child], within_s: float) -> Sample:
    """The same by looking, from the last look that found all of them."""
    deadline = time.monotonic() + within_s
    async with where.child("producer") as producer:
        jobs = left = int(await producer.ask("left"))
        cpu_s = sum([await child.cpu_s() for child in children])
        start = time.monotonic()
        await go(children)
        while left and time.monotonic() < deadline:
            left = int(await producer.ask("left"))
            if left == jobs:
                start = time.monotonic()
            await asyncio.sleep(LOOK_EVERY_S)
        seconds = time.monotonic() - start
        cpu_s = sum([await child.cpu_s() for child in children]) - cpu_s
    done = jobs - left
    if not done:
        raise RuntimeError(f"{where.peer.label} did none of {jobs:,} jobs in {within_s:.0f} s.")
    return {"jobs_s": done / seconds, "cpu_us_per_job": cpu_s / done * 1e6}


async def _none_left(where: Place) -> None:
    """What has begun has ended, too. Those with a database see to it when they stop."""
    if where.admin is None:
        async with where.child("producer") as producer, asyncio.timeout(PATIENCE_S):
            while int(await producer.ask("left")):  # noqa: ASYNC110 -- the children do not say
                await asyncio.sleep(LOOK_EVERY_S)


async def _counted(children: Sequence[Child], jobs: int, within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while await count(children) < jobs and time.monotonic() < deadline:  # noqa: ASYNC110 -- they are other processes
        await asyncio.sleep(LOOK_EVERY_S)


async def pushes(bench: Bench, peer: Peer, command: str, jobs: int) -> Sample:
    """What its producer says to `bulk N`, `single N` or `many N TASKS`."""
    async with place(bench, peer) as where, where.child("producer") as producer:
        await where.level()
        return {"jobs_s": jobs / json.loads(await producer.ask(command))["seconds"]}


async def flows(bench: Bench, peer: Peer, shape: str) -> Sample:
    """Steps of workflows in a second, from their push to their end, on one warm worker."""
    count = peer.driver.FLOWS[shape]
    number = list(peer.driver.FLOWS).index(shape)
    async with (
        place(bench, peer) as where,
        where.child("producer") as producer,
        where.child("worker", "100", "flows") as worker,
    ):
        await worker.ask("go")
        await producer.ask(f"flow {number} {min(count, FLOW_WARM_UP)}")
        await where.level()
        seconds = json.loads(await producer.ask(f"flow {number} {count}"))["seconds"]
        return {"steps_s": count / seconds, "us_per_step": seconds / count * 1e6}


async def starts(bench: Bench, peer: Peer, jobs: int, warm_up: int, pause: Any) -> list[float]:
    """Seconds from push to start on one idle worker."""
    async with place(bench, peer) as where, where.child("producer") as producer, where.child("worker", "100") as worker:
        await worker.ask("go")
        delays_s = []
        for _ in range(warm_up + jobs):
            await pause()
            producer.tell("stamp")
            delays_s.append(float(json.loads(await worker.hear())["delay_s"]))
            await producer.hear()
        return delays_s[warm_up:]


def milliseconds(delays_s: Sequence[float]) -> Sample:
    return {
        "median_ms": statistics.median(delays_s) * 1e3,
        "p99_ms": statistics.quantiles(delays_s, n=100)[98] * 1e3,
    }
