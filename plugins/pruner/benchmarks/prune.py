"""What pruning costs: a million jobs dropped, 20,000 jobs a second kept up with, and a rule's deletes.

    python plugins/pruner/benchmarks/prune.py [--jobs 1000000] [--rate 20000] [--seconds 60]

On a private PostgreSQL, or CHANCY_BENCH_DSN. Jobs are inserted as the kernel's finish does, 500 a statement, without
workers, so that what is measured is the pruner and not the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import NamedTuple

import psycopg

from chancy import Chancy
from chancy.plugins.pruner import Pruner
from chancy.testing import throwaway_server
from chancy_pruner.store import PrunerStore

SCHEMA = "bench_pruner"
FINISH = f"""
    INSERT INTO {SCHEMA}.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, created_at,
                                        started_at, finished_at, worker, kwargs)
    SELECT gen_random_uuid(), 'default', CASE WHEN n %% 2 = 0 THEN 'app.jobs.noise' ELSE 'app.jobs.report' END, 0,
           'succeeded', 1, 1, 1, now(), now(), now() - make_interval(secs => %s), 'worker', '{{"n": 1}}'
    FROM generate_series(1, %s) AS n
"""
DEAD = f"SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE schemaname = '{SCHEMA}'"
HOUR = 3600


class Bench:
    """A schema, a connection to it, and rounds."""

    def __init__(self, dsn: str, connection: psycopg.AsyncConnection) -> None:
        self.dsn = dsn
        self.connection = connection
        self.store = PrunerStore(SCHEMA, connection)

    async def fresh(self) -> None:
        """An empty schema."""
        await self.connection.execute("SET client_min_messages = error")
        await self.connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        async with Chancy(self.dsn, schema=SCHEMA, discover=False) as chancy:
            await chancy.migrate()

    async def one(self, text: str):
        """A single value."""
        return (await (await self.connection.execute(text)).fetchone())[0]

    async def old_partition(self) -> None:
        """A partition from thirty to twenty-five hours ago."""
        bounds = [await self.one(f"SELECT (now() - interval '{ago} hours')::text") for ago in (30, 25)]
        await self.connection.execute(
            f"CREATE TABLE {SCHEMA}.finished_succeeded_p0 PARTITION OF {SCHEMA}.finished_succeeded "
            f"FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}')"
        )

    async def dead(self) -> int:
        """Dead rows in the schema."""
        # Otherwise a session tells of its own a moment later.
        await self.connection.execute("SELECT pg_stat_force_next_flush()")
        await self.connection.execute("SELECT pg_stat_clear_snapshot()")
        return int(await self.one(DEAD))


class Writer:
    """Finishes jobs at a rate, and says how long each batch of 500 took."""

    def __init__(self, dsn: str, rate: int) -> None:
        self._dsn, self._rate = dsn, rate
        self.times: list[float] = []
        self.written = 0

    async def run(self, seconds: float) -> None:
        """Finish jobs on two connections."""
        await asyncio.gather(*(self._run(seconds) for _ in range(2)))

    async def _run(self, seconds: float) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            begin = time.monotonic()
            batches = 0
            while (start := time.monotonic()) < begin + seconds:
                await connection.execute(FINISH, (0, 500))
                self.times.append(time.monotonic() - start)
                self.written += 500
                batches += 1
                await asyncio.sleep(max(0.0, begin + batches * 1000 / self._rate - time.monotonic()))

    def __str__(self) -> str:
        ms = [t * 1000 for t in sorted(self.times)] or [0.0]
        return f"median {statistics.median(ms):.1f} ms, 99 % {ms[int(len(ms) * 0.99)]:.0f} ms, max {ms[-1]:.0f} ms"


class Dropped(NamedTuple):
    """What became of a partition full of old jobs."""

    jobs: int
    took_s: float
    dead: int


async def fill(bench: Bench, jobs: int) -> None:
    """A partition full of old jobs beside those that a pruner makes."""
    await bench.fresh()
    await Pruner().rounds().run(bench.store, budget_s=60)
    await bench.old_partition()
    for _ in range(0, jobs, 50_000):
        await bench.connection.execute(FINISH, (27 * HOUR, 50_000))
    # As autovacuum would have left it long ago; otherwise it may come just now.
    await bench.connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.finished_succeeded_p0")
    await bench.connection.execute("CHECKPOINT")


async def drop(bench: Bench) -> Dropped:
    """One round takes it away."""
    count = await bench.one(f"SELECT count(*) FROM {SCHEMA}.finished_succeeded_p0")
    start = time.monotonic()
    done = await Pruner().rounds().run(bench.store, budget_s=60)
    took_s = time.monotonic() - start
    assert done.dropped == ["finished_succeeded_p0"], done
    return Dropped(count, took_s, await bench.dead())


async def drop_many(bench: Bench, jobs: int) -> None:
    """A partition full of old jobs goes, while others finish."""
    await fill(bench, jobs)
    size = await bench.one(f"SELECT pg_size_pretty(pg_total_relation_size('{SCHEMA}.finished_succeeded_p0'))")
    writer = Writer(bench.dsn, 2_000)
    writing = asyncio.create_task(writer.run(3))
    await asyncio.sleep(1)
    dropped = await drop(bench)
    await writing
    print(f"drop: {dropped.jobs:,} jobs ({size}) went in {dropped.took_s * 1000:.0f} ms; dead rows: {dropped.dead}")
    print(f"  batches of 500 finishing meanwhile: {writer}")


async def keep_up(bench: Bench, rate: int, seconds: float) -> None:
    """Jobs finish at a rate and are kept for twenty seconds."""
    await bench.fresh()
    alone = Writer(bench.dsn, rate)
    await alone.run(min(seconds, 15))
    await bench.fresh()
    pruner = Pruner(keep={"succeeded": "20s"}, width={"succeeded": "10s"}, interval=2)
    rounds = pruner.rounds()
    writer = Writer(bench.dsn, rate)
    await rounds.run(bench.store, budget_s=60)
    first = next(one for one in await bench.store.partitions() if one.state == "succeeded")
    while await bench.store.clock() < first.from_at:  # noqa: ASYNC110 -- the database's clock cannot be awaited
        await asyncio.sleep(0.1)
    writing = asyncio.create_task(writer.run(seconds))
    dropped, most, longest_s, put_off = 0, 0, 0.0, 0
    while not writing.done():
        start = time.monotonic()
        done = await rounds.run(bench.store, budget_s=10)
        longest_s = max(longest_s, time.monotonic() - start)
        dropped += len(done.dropped)
        put_off += len(done.put_off)
        sizes = await bench.store.partitions()
        most = max(most, sum(one.bytes for one in sizes))
        await asyncio.sleep(2)
    await writing
    left = await bench.one(f"SELECT count(*) FROM {SCHEMA}.finished_jobs")
    default = await bench.one(f"SELECT count(*) FROM {SCHEMA}.finished_succeeded_default")
    print(
        f"keep up: {writer.written / seconds:,.0f} jobs/s for {seconds:.0f} s, kept 20 s: {dropped} partitions "
        f"dropped, {left:,} jobs left, {default} of them in the default partition; table at most {most / 1e6:.0f} MB; "
        f"dead rows {await bench.dead()}; longest round {longest_s * 1000:.0f} ms; put off {put_off}"
    )
    print(f"  batches of 500 finishing: {writer}; without the pruner: {alone}")


async def late(bench: Bench, jobs: int) -> None:
    """The first round where many jobs have finished without a pruner, and more do."""
    await bench.fresh()
    for _ in range(0, jobs, 50_000):
        await bench.connection.execute(FINISH, (12 * HOUR, 50_000))
    await bench.connection.execute("CHECKPOINT")
    writer = Writer(bench.dsn, 2_000)
    writing = asyncio.create_task(writer.run(4))
    await asyncio.sleep(1)
    done = await Pruner().rounds().run(bench.store, budget_s=60)
    await writing
    print(
        f"late: {len(done.made)} partitions made beside {jobs:,} jobs in the default one; put off {len(done.put_off)}"
    )
    print(f"  batches of 500 finishing meanwhile: {writer}")


async def sweep(bench: Bench, jobs: int) -> None:
    """A rule takes half of the jobs of a partition, while others finish."""
    await bench.fresh()
    await bench.old_partition()
    for _ in range(0, jobs, 50_000):
        await bench.connection.execute(FINISH, (27 * HOUR, 50_000))
    await bench.connection.execute("CHECKPOINT")
    rules = [{"func": "app.jobs.noise", "keep": {"succeeded": "1h"}}]
    rounds = Pruner(keep={"succeeded": "7d"}, rules=rules).rounds()
    # Makes the partitions.
    await rounds.run(bench.store, budget_s=0)
    writer = Writer(bench.dsn, 2_000)
    writing = asyncio.create_task(writer.run(3600))
    start = time.monotonic()
    done = await rounds.run(bench.store, budget_s=600)
    took_s = time.monotonic() - start
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    count = done.deleted.total()
    print(f"sweep: {count:,} of {jobs:,} jobs deleted by a rule in {took_s:.1f} s, {count / took_s:,.0f} jobs/s")
    print(f"  batches of 500 finishing meanwhile: {writer}")


async def main(dsn: str, jobs: int, rate: int, seconds: float) -> None:
    """Measure, and print."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        bench = Bench(dsn, connection)
        await drop_many(bench, jobs)
        await keep_up(bench, rate, seconds)
        await late(bench, jobs)
        await sweep(bench, jobs)
        await connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    with throwaway_server("CHANCY_BENCH_DSN", "chancy-bench-") as where:
        asyncio.run(main(where, given.jobs, given.rate, given.seconds))
