"""One drain: jobs lie there, a warm worker is let at them, and the database says when the first started and the last
had finished.

Both moments are the start of the transaction that wrote them: the first claim is inside the time, the last write's own
duration is not, for the bare loop as for us.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Any, NamedTuple, Protocol

from benchmarks import work
from benchmarks.children import Family, child
from benchmarks.database import Batch, Bench, push
from benchmarks.frame import Sample
from chancy import Chancy, Job, Queue

WARM_UP = 2000
# As `benchmarks.worker` has it, which cannot be imported without being set up as one.
QUIET = "--quiet"
LOOK_EVERY_S = 0.02
PATIENCE_S = 120.0

Beside = Callable[[], AbstractAsyncContextManager[Any]]


class Meter(Protocol):
    """What runs jobs, and how much of the processor it has used."""

    async def cpu_s(self) -> float: ...


# Starts workers, and leaves their end to the stack.
Start = Callable[[AsyncExitStack], Awaitable[Sequence[Meter]]]


class End(NamedTuple):
    """How jobs end: their state, and after how many runs, which are counted as jobs."""

    state: str
    runs: int = 1


SUCCEEDED = End("succeeded")


async def ours(
    bench: Bench,
    chancy: Chancy,
    jobs: int,
    *,
    processes: int = 1,
    plugins: Sequence[str] = (),
    beside: Beside = nullcontext,
    take_pending: bool = False,
    job: Callable[[int], Job] = work.nothing_job,
    ends: End = SUCCEEDED,
    start: Start | None = None,
) -> Sample:
    """Drain with worker processes of Chancy.

    Args:
        jobs: how many are pushed and waited for.
        processes: how many workers.
        plugins: the names of those that they load.
        beside: what goes on during the drain; entered when the jobs lie ready.
        take_pending: push none, drain the first of those that lie there already.
        job: makes the jobs.
        ends: how all of them end.
        start: starts the workers; None: as `chancy worker` runs one, by themselves.
    """
    async with AsyncExitStack() as stack:
        await chancy.resume_queue("default")
        more = plugins if ends == SUCCEEDED else (QUIET, *plugins)
        workers = await (start(stack) if start else _workers(stack, chancy, processes, more))
        await wait(bench, chancy, await _batch(bench, chancy, WARM_UP, job, take_pending=take_pending))
        await pause(bench, chancy)
        batch = await _batch(bench, chancy, jobs, job, take_pending=take_pending)
        await bench.level(chancy)
        await stack.enter_async_context(beside())
        cpu_s = sum([await worker.cpu_s() for worker in workers])
        wal_bytes = await bench.wal_bytes()
        await chancy.resume_queue("default")
        await wait(bench, chancy, batch)
        wal_bytes = await bench.wal_bytes() - wal_bytes
        cpu_s = sum([await worker.cpu_s() for worker in workers]) - cpu_s
        await pause(bench, chancy)
        return await _sample(bench, chancy, batch, cpu_s, wal_bytes, ends)


def by_executor(
    bench: Bench,
    tables: Sequence[Chancy],
    executor: Chancy.Executor,
    jobs: int,
    job: Callable[[int], Job],
    slots: int,
) -> Callable[[], Awaitable[Sample]]:
    """A drain of a queue that has this executor, in the first of the tables, which is there when it begins."""

    async def drain() -> Sample:
        await bench.clear(tables[0])
        await tables[0].declare(Queue("default", executor=executor, concurrency=slots), upsert=True)
        return await ours(bench, tables[0], jobs, job=job)

    return drain


async def bare(bench: Bench, chancy: Chancy, jobs: int, *, beside: Beside = nullcontext) -> Sample:
    """Drain with the bare loop."""
    await push(chancy, work.nothings(WARM_UP))
    async with AsyncExitStack() as stack:
        loop = await stack.enter_async_context(child("benchmarks.bare", "drain", chancy.dsn, chancy.settings.schema))
        await loop.hear()
        batch = await _batch(bench, chancy, jobs, work.nothing_job, take_pending=False)
        await bench.level(chancy)
        await stack.enter_async_context(beside())
        cpu_s = await loop.cpu_s()
        wal_bytes = await bench.wal_bytes()
        cpu_s = float(await loop.ask("go")) - cpu_s
        wal_bytes = await bench.wal_bytes() - wal_bytes
        return await _sample(bench, chancy, batch, cpu_s, wal_bytes)


async def _workers(stack: AsyncExitStack, chancy: Chancy, processes: int, plugins: Sequence[str]) -> Sequence[Meter]:
    arguments = ("benchmarks.worker", chancy.dsn, chancy.settings.schema, "100", *plugins)
    workers = [await stack.enter_async_context(child(*arguments)) for _ in range(processes)]
    for worker in workers:
        await worker.hear()
    return workers


async def supervised(bench: Bench, chancy: Chancy, processes: int, stack: AsyncExitStack) -> Sequence[Meter]:
    """`chancy worker --processes N`, once all of them have registered."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chancy_core", "worker", "--processes", str(processes), "--concurrency", "100"),
        stderr=DEVNULL,
        env={
            **os.environ,
            "CHANCY_DSN": chancy.dsn,
            "CHANCY_SCHEMA": chancy.settings.schema,
            "CHANCY_DISCOVER": "false",
        },
    )

    async def end() -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    await until(bench, f"SELECT count(*) = {processes} FROM {chancy.settings.schema}.workers")
    return [Family(process.pid)]


async def _batch(bench: Bench, chancy: Chancy, jobs: int, job: Callable[[int], Job], *, take_pending: bool) -> Batch:
    if not take_pending:
        return await push(chancy, [job(n) for n in range(jobs)])
    first, last, count = await bench.row(
        f"""
        SELECT (array_agg(id ORDER BY id))[1], (array_agg(id ORDER BY id DESC))[1], count(*)
        FROM (
            SELECT id FROM {chancy.settings.schema}.jobs
            WHERE queue = 'default' AND state = 'pending' ORDER BY priority, id LIMIT %s
        ) AS next
        """,
        [jobs],
    )
    return Batch(first, last, count)


async def wait(bench: Bench, chancy: Chancy, batch: Batch) -> None:
    schema = chancy.settings.schema
    # Two looks into indexes: the last of the jobs is finished, and then none is left.
    done = f"""
        SELECT EXISTS (SELECT FROM {schema}.finished_jobs WHERE id = %(last)s)
               AND NOT EXISTS (SELECT FROM {schema}.jobs WHERE id BETWEEN %(first)s AND %(last)s)
        """
    await until(bench, done, batch.ends)


async def pause(bench: Bench, chancy: Chancy) -> None:
    await chancy.pause_queue("default")
    await until(bench, f"SELECT NOT EXISTS (SELECT FROM {chancy.settings.schema}.jobs WHERE state = 'running')")


async def until(bench: Bench, condition: str, params: Mapping[str, Any] | None = None) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await bench.one(condition, params):  # noqa: ASYNC110 -- the condition is the database's
            await asyncio.sleep(LOOK_EVERY_S)


async def _sample(
    bench: Bench, chancy: Chancy, batch: Batch, cpu_s: float, wal_bytes: float, ends: End = SUCCEEDED
) -> Sample:
    """What the database says, once it is certain that every job ran exactly once, or as often as it was to."""
    total_s, first_tenth_s, last_tenth_s, count, distinct, claims = await bench.row(
        f"""
        WITH job AS (
            SELECT id, claims, state, finished_at - min(started_at) OVER () AS after,
                   percent_rank() OVER (ORDER BY finished_at, id) AS part
            FROM {chancy.settings.schema}.finished_jobs
            WHERE id BETWEEN %(first)s AND %(last)s
        )
        SELECT extract(epoch FROM max(after))::float,
               extract(epoch FROM max(after) FILTER (WHERE part <= 0.1))::float,
               extract(epoch FROM max(after) - max(after) FILTER (WHERE part <= 0.9))::float,
               count(*) FILTER (WHERE state = %(state)s), count(DISTINCT id), max(claims)
        FROM job
        """,
        {**batch.ends, "state": ends.state},
    )
    if not (count == distinct == batch.count and claims == ends.runs):
        raise RuntimeError(f"{batch.count} jobs: {count} {ends.state}, {distinct} different, claimed {claims} times.")
    sample = {
        "jobs_s": count * ends.runs / total_s,
        "cpu_us_per_job": cpu_s / count * 1e6,
        "wal_bytes_per_job": wal_bytes / count,
    }
    # A drain so short that one write holds a tenth of it has no pace to speak of.
    if first_tenth_s and last_tenth_s:
        sample |= {"first_tenth": count / 10 / first_tenth_s, "last_tenth": count / 10 / last_tenth_s}
    return sample
