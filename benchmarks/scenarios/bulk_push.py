"""How fast many jobs are stored in one call."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice

import uuid_utils

from benchmarks import peering, work
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy

COPY = "COPY {schema}.jobs (id, queue, func, priority, max_attempts, state, kwargs) FROM STDIN"


def scenario(bench: Bench) -> Scenario:
    jobs = work.nothings(100_000)
    rows = [("default", work.NOTHING, 0, 1, "pending", json.dumps({"n": n})) for n in range(len(jobs))]
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("bulk_push") as chancy:
            tables.append(chancy)
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        await bench.empty(chancy)
        start = time.perf_counter()
        await chancy.push_many("default", jobs)
        return {"jobs_s": len(jobs) / (time.perf_counter() - start)}

    async def bare() -> Sample:
        """The rows are there, and get an id each."""
        chancy = tables[0]
        await bench.empty(chancy)
        copy_text = COPY.format(schema=chancy.settings.schema)
        start = time.perf_counter()
        async with bench.admin.cursor() as cursor, cursor.copy(copy_text) as copy:
            for row in rows:
                await copy.write_row((str(uuid_utils.uuid7()), *row))
        return {"jobs_s": len(jobs) / (time.perf_counter() - start)}

    async def text() -> Sample:
        """Even the text that COPY sends is there already."""
        chancy = tables[0]
        await bench.empty(chancy)
        lines = ("\t".join(map(str, (uuid_utils.uuid7(), *row))) + "\n" for row in rows)
        blocks = []
        while block := "".join(islice(lines, 5000)):
            blocks.append(block)
        copy_text = COPY.format(schema=chancy.settings.schema)
        start = time.perf_counter()
        async with bench.admin.cursor() as cursor, cursor.copy(copy_text) as copy:
            for block in blocks:
                await copy.write(block)
        return {"jobs_s": len(jobs) / (time.perf_counter() - start)}

    return Scenario(
        name="bulk_push",
        how=f"{len(jobs):,} Job objects; from push_many to its commit",
        subjects={
            "chancy": ours,
            "bare": bare,
            "text": text,
            **{
                peer.label: partial(peering.pushes, bench, peer, f"bulk {peer.driver.JOBS}", peer.driver.JOBS)
                for peer in bench.peers.all
            },
        },
        comparisons=[
            Comparison("bulk push / bare COPY of rows", "chancy", "bare", at_least=0.75),
            Comparison("bulk push / COPY of ready text", "chancy", "text"),
            *peering.beside(bench, "bulk push", at_least=2.0),
        ],
        repeats=3 if bench.quick else 9,
        every=dict.fromkeys(bench.peers.names(), 3),
        budget_s=10 if bench.quick else 40,
        around=around(),
    )
