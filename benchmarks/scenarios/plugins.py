"""What the plugins of this repository cost a worker that drains, all four together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import draining
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario, Subject
from benchmarks.work import plugins
from chancy import Chancy

FOUR = ("cron", "leadership", "metrics", "pruner")
# By the name of the subject, which is also that of its schema: the plugins' own tables and partitions are a part of
# what they cost.
LOADED = {"with_plugins": FOUR, "without": ()}


def scenario(bench: Bench) -> Scenario:
    jobs = 40_000 if bench.quick else 100_000
    tables: dict[str, Chancy] = {}

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("with_plugins", plugins(FOUR)) as loaded, bench.schema("without") as plain:
            tables.update(with_plugins=loaded, without=plain)
            yield

    def subject(name: str) -> Subject:
        async def drain() -> Sample:
            await bench.clear(tables[name])
            return await draining.ours(bench, tables[name], jobs, plugins=LOADED[name])

        return drain

    return Scenario(
        name="plugins",
        how=f"{jobs:,} pushed before, worker warm; as drain, with {', '.join(FOUR)} loaded beside no plugin",
        subjects={name: subject(name) for name in LOADED},
        comparisons=[
            Comparison("drain with four plugins", "with_plugins", "without", at_least=0.95, paired=True),
            Comparison("  CPU of the worker", "with_plugins", "without", "cpu_us_per_job", at_most=1.05, paired=True),
        ],
        repeats=7 if bench.quick else 15,
        budget_s=35 if bench.quick else 60,
        around=around(),
    )
