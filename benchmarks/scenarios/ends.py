"""What it costs a worker that drains, that a plugin hears of every end of a job: there, or somewhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import draining
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario, Subject
from chancy import Chancy

# By the name of the subject: the plugins of the worker, and those that listen wherever they are.
SUBJECTS = {"heard": (("listener",), ("listener",)), "left": ((), ("listener",)), "unasked": ((), ())}


def scenario(bench: Bench) -> Scenario:
    jobs = 40_000 if bench.quick else 100_000
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("ends") as chancy:
            tables.append(chancy)
            yield

    def subject(name: str) -> Subject:
        plugins, listeners = SUBJECTS[name]

        async def drain() -> Sample:
            schema = tables[0].settings.schema
            await bench.clear(tables[0])
            await bench.admin.execute(f"TRUNCATE {schema}.ended, {schema}.listeners")
            for plugin in listeners:
                await bench.admin.execute(f"INSERT INTO {schema}.listeners (plugin) VALUES (%s)", [plugin])
            sample = await draining.ours(bench, tables[0], jobs, plugins=plugins)
            left = await bench.one(f"SELECT count(*) FROM {schema}.ended")
            if bool(left) != (name == "left"):
                raise RuntimeError(f"{left} ends were left to be told with {name}.")
            return sample

        return drain

    return Scenario(
        name="ends",
        how=f"{jobs:,} pushed before, worker warm; as drain, with a plugin that hears of every end: in the worker, in "
        "another (so that this one leaves a row for each), or nowhere",
        subjects={name: subject(name) for name in SUBJECTS},
        comparisons=[
            Comparison("drain with a listener", "heard", "unasked", at_least=0.95, paired=True),
            Comparison("  CPU of the worker", "heard", "unasked", "cpu_us_per_job", paired=True),
            Comparison("drain with a listener elsewhere", "left", "unasked", paired=True),
        ],
        repeats=7 if bench.quick else 15,
        budget_s=45 if bench.quick else 80,
        around=around(),
    )
