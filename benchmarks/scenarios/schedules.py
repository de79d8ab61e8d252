"""Many schedules that are due in one moment: how late the last of them is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import draining, work
from benchmarks.children import child
from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from benchmarks.work import plugins
from chancy import Chancy, Job

SCHEDULES = 10_000
COLUMNS = "cron, timezone, job, queue, missed, missed_max, jitter_s, overlap, source, next_at, wake_at"
SOON_S = 3


def scenario(bench: Bench) -> Scenario:
    count = SCHEDULES // 10 if bench.quick else SCHEDULES
    tables: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        (cron,) = plugins(["cron"])
        async with bench.schema("schedules", [cron]) as chancy:
            tables.append(chancy)
            await type(cron).schedule(chancy, "* * * * *", Job(func=work.NOTHING, kwargs={"n": 1}), name="s0")  # type: ignore[attr-defined]
            await bench.admin.execute(
                f"INSERT INTO bench_schedules.cron_schedules (name, {COLUMNS}) "
                f"SELECT 's' || n, {COLUMNS} FROM bench_schedules.cron_schedules, generate_series(1, {count - 1}) AS n"
            )
            await bench.admin.execute("VACUUM ANALYZE bench_schedules.cron_schedules")
            yield

    async def ours() -> Sample:
        chancy = tables[0]
        schema = chancy.settings.schema
        await bench.empty(chancy)
        await bench.admin.execute(f"TRUNCATE {schema}.cron_fires")
        async with child("benchmarks.worker", chancy.dsn, schema, "100", "cron") as worker:
            await worker.hear()
            # Beyond the first looks of a worker that has just started.
            await asyncio.sleep(1)
            due = f"date_trunc('second', now()) + interval '{SOON_S} s'"
            await bench.admin.execute(f"UPDATE {schema}.cron_schedules SET next_at = {due}, wake_at = {due}")
            done = f"SELECT count(*) >= {count} FROM {schema}.finished_jobs"
            await draining.until(bench, done)
        late_s, median_s = await bench.row(
            f"""
            SELECT max(extract(epoch FROM started_at - fire_at)),
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - fire_at))
            FROM {schema}.finished_jobs, LATERAL (SELECT (meta->'cron'->>'fire_at')::timestamptz AS fire_at) AS fire
            """
        )
        return {"late_s": float(late_s), "median_s": float(median_s)}

    return Scenario(
        name="schedules",
        how=f"{count:,} schedules of every minute come due at once; from their time to the start of the last job",
        subjects={"chancy": ours},
        comparisons=[
            Comparison(
                f"{count:,} schedules: latest start / median",
                "chancy",
                "chancy",
                "late_s",
                within=1.0,
                baseline_metric="median_s",
            ),
        ],
        repeats=3,
        budget_s=40,
        around=around(),
    )
