"""Many queues of few jobs, on one worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import draining, work
from benchmarks.children import child
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy, Job, Queue

QUEUES = 1000
EACH = 10


def scenario(bench: Bench) -> Scenario:
    queues = QUEUES // 5 if bench.quick else QUEUES
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("many_queues") as many, bench.schema("one_queue") as one:
            tables.extend((many, one))
            for number in range(queues):
                await many.declare(Queue(f"q{number}"))
            yield

    async def drained(chancy: Chancy, names: list[str]) -> Sample:
        """A worker that serves them already is let at the jobs of all of them in one transaction."""
        await bench.empty(chancy)
        schema = chancy.settings.schema
        jobs = [Job(func=work.NOTHING, queue=name, kwargs={"n": n}) for n in range(EACH) for name in names]
        async with child("benchmarks.worker", chancy.dsn, schema, "100") as worker:
            await worker.hear()
            await chancy.push_many([Job(func=work.NOTHING, queue=name, kwargs={"n": 0}) for name in names])
            await draining.until(bench, f"SELECT NOT EXISTS (SELECT FROM {schema}.jobs)")
            await bench.admin.execute(f"TRUNCATE {schema}.finished_jobs")
            cpu_s = await worker.cpu_s()
            await chancy.push_many(jobs)
            await draining.until(bench, f"SELECT NOT EXISTS (SELECT FROM {schema}.jobs)")
            cpu_s = await worker.cpu_s() - cpu_s
        seconds = await bench.one(
            f"SELECT extract(epoch FROM max(finished_at) - min(started_at)) FROM {schema}.finished_jobs"
        )
        return {"jobs_s": len(jobs) / float(seconds), "cpu_us_per_job": cpu_s / len(jobs) * 1e6}

    async def many() -> Sample:
        return await drained(tables[0], [f"q{number}" for number in range(queues)])

    async def one() -> Sample:
        return await drained(tables[1], ["default"] * queues)

    return Scenario(
        name="many_queues",
        how=f"{queues * EACH:,} jobs of {queues:,} queues, pushed at once to a warm worker; first start to last end",
        subjects={"many": many, "one": one},
        comparisons=[
            Comparison(f"{queues:,} queues of {EACH} jobs / one queue", "many", "one", at_least=0.5),
            Comparison("  CPU of the worker", "many", "one", "cpu_us_per_job"),
        ],
        repeats=3,
        budget_s=30 if bench.quick else 45,
        around=around(),
    )
