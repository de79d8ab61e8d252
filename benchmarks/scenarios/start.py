"""How soon a pushed job starts on a worker that has nothing else to do."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uuid_utils

from benchmarks import peering, work
from benchmarks.children import child
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from benchmarks.peers.catalog import Peer
from chancy import Chancy, Job

INSERT = """
WITH stored AS (
    INSERT INTO {schema}.jobs (id, queue, func, kwargs) VALUES (%s, 'default', 'stamp', %s) RETURNING id
)
SELECT pg_notify('bare', '') FROM stored
"""
WARM_UP = 30
PEER_JOBS = 150


def scenario(bench: Bench) -> Scenario:
    jobs = 200 if bench.quick else 500
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("start") as chancy, bench.schema("start_bare") as other:
            tables.extend((chancy, other))
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        await bench.level(chancy)
        async with child("benchmarks.worker", chancy.dsn, chancy.settings.schema, "100") as worker:
            await worker.hear()
            delays_s = []
            for _ in range(WARM_UP + jobs):
                await _pause()
                await chancy.push(Job(func=work.TELL, kwargs={"pushed_at": time.monotonic()}))
                delays_s.append(float(await worker.hear()))
        return peering.milliseconds(delays_s[WARM_UP:])

    async def bare() -> Sample:
        chancy = tables[1]
        await bench.level(chancy)
        insert = INSERT.format(schema=chancy.settings.schema)
        async with child("benchmarks.bare", "listen", chancy.dsn, chancy.settings.schema) as loop:
            await loop.hear()
            delays_s = []
            for _ in range(WARM_UP + jobs):
                await _pause()
                kwargs = json.dumps({"pushed_at": time.monotonic()})
                await bench.admin.execute(insert, [str(uuid_utils.uuid7()), kwargs])
                delays_s.append(float(await loop.hear()))
            await bench.admin.execute(insert, [str(uuid_utils.uuid7()), '{"pushed_at": -1}'])
        return peering.milliseconds(delays_s[WARM_UP:])

    async def peers(peer: Peer) -> Sample:
        return peering.milliseconds(await peering.starts(bench, peer, PEER_JOBS, WARM_UP, _pause))

    names = [] if bench.quick else bench.peers.names(redis=False)
    return Scenario(
        name="start",
        how=f"{jobs:,} pushes, one at a time, a few ms apart; from the call of push to the first line of the job",
        subjects={
            "chancy": ours,
            "bare": bare,
            **{peer.label: partial(peers, peer) for peer in bench.peers.all if not bench.quick},
        },
        comparisons=[
            Comparison("push to start, median", "chancy", "bare", "median_ms", at_most=3.0),
            Comparison("push to start, p99", "chancy", "bare", "p99_ms", at_most=3.0),
            Comparison("push to start, median / best peer", "chancy", names, "median_ms", at_most=0.7),
            Comparison("push to start, p99 / best peer", "chancy", names, "p99_ms", at_most=0.7),
            *(
                Comparison(f"push to start, median / {name}", "chancy", name, "median_ms")
                for name in bench.peers.names()
            ),
        ],
        repeats=3 if bench.quick else 5,
        every=dict.fromkeys(bench.peers.names(), 2),
        budget_s=25 if bench.quick else 90,
        around=around(),
    )


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0.005, 0.020))
