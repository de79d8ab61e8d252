"""Tables as they are after a long time: millions of jobs, hundreds of queues and workers, and what history counted."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from chancy_history.store import SQL

from benchmarks.database import Bench
from chancy import Chancy

# Ids that ascend with time, as a UUIDv7 does; finished jobs are older than live ones.
_ID = "(lpad(to_hex({start} + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
FINISHED = f"""
    INSERT INTO {{schema}}.finished_jobs (
        id, queue, func, priority, state, max_attempts, attempts, claims, created_at, started_at, finished_at, worker,
        kwargs, errors, unique_key
    )
    SELECT {_ID.format(start=10**6)}, {{queue}},
           CASE WHEN n %% 3 = 0 THEN 'app.mail.send' ELSE 'app.report' END, 0, state, 1,
           1, 1, at, at, at, 'w' || n %% 50, json_build_object('user', n %% 10000),
           CASE WHEN state = 'failed' THEN '[{{{{"type": "TimeoutError", "message": "no answer"}}}}]'::jsonb END,
           CASE WHEN n %% 10 = 0 THEN 'order-' || n END
    FROM generate_series(%(from)s::bigint, %(to)s) AS n
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n %% 20 = 0 THEN 'failed' WHEN n %% 20 = 1 THEN 'cancelled' ELSE 'succeeded' END AS state,
               now() - (%(count)s - n) * interval '50 ms' AS at
    ) AS one
"""
LIVE = f"""
    INSERT INTO {{schema}}.jobs (
        id, queue, func, state, scheduled_at, started_at, worker, max_attempts, attempts, claims, kwargs, unique_key
    )
    SELECT {_ID.format(start=10**9)}, {{queue}}, 'app.mail.send', state,
           CASE WHEN state IN ('scheduled', 'retrying') THEN now() + interval '1 day' END,
           CASE WHEN state IN ('running', 'retrying') THEN now() END,
           CASE WHEN state = 'running' THEN 'w1' END, 3, (state IN ('running', 'retrying'))::int, 0,
           json_build_object('user', n %% 10000), CASE WHEN n %% 10 = 0 THEN 'live-' || n END
    FROM generate_series(1, %(count)s) AS n
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n %% 200 = 0 THEN 'running' WHEN n %% 200 = 1 THEN 'retrying'
                    WHEN n %% 100 = 2 THEN 'scheduled' ELSE 'pending' END AS state
    ) AS one
"""
CHUNK = 500_000
# Ten large queues have half of all jobs, and each of the others its part of the rest; states are mixed in all of them.
SPREAD = "'q' || CASE WHEN n / 200 %% 2 = 0 THEN n / 400 %% 10 ELSE n / 400 %% {count} END"

QUEUES = """
    INSERT INTO {schema}.queues (name, executor, concurrency, state, tags)
    SELECT 'q' || n, 'chancy_core.executors.auto.AutoExecutor', 10,
           CASE WHEN n %% 50 = 7 THEN 'paused' ELSE 'active' END, %(tags)s
    FROM generate_series(0, %(count)s - 1) AS n
    ON CONFLICT (name) DO NOTHING
"""
WORKERS = """
    INSERT INTO {schema}.workers (worker, tags, started_at, lease_until, lease_s, status, status_at)
    SELECT 'w' || n, ARRAY['host=h' || n / 4, 'chancy=0.1.0', 'worker=w' || n], now() - n * interval '1 hour',
           now() + interval '1 day', 200000, %(status)s::json, now()
    FROM generate_series(0, %(count)s - 1) AS n
"""
DAYS = 90
# Two hours of minutes for every queue, two days of them for the large ones, and ninety days of hours for all.
MINUTES = """
    INSERT INTO {schema}.history_minutes
    SELECT date_trunc('minute', now()) - n * interval '1 minute', 'q' || q, 'app.mail.send', 40, 38, 30, 5, 1, 2, 0, 12,
           20, array_fill(2::bigint, ARRAY[18]), array_fill(2::bigint, ARRAY[18])
    FROM generate_series(0, %(count)s - 1) AS q
    CROSS JOIN LATERAL generate_series(0, CASE WHEN q < 10 THEN 2879 ELSE 120 END) AS n
"""
HOURS = """
    INSERT INTO {schema}.history_hours
    SELECT date_trunc('hour', now()) - n * interval '1 hour', 'q' || q, 'app.mail.send', 2400, 2300, 1800, 300, 60, 120,
           0, 720, 1200, array_fill(120::bigint, ARRAY[18]), array_fill(120::bigint, ARRAY[18])
    FROM generate_series(0, %(count)s - 1) AS q
    CROSS JOIN generate_series(1, 24 * %(days)s) AS n
"""
DEPTHS = """
    INSERT INTO {schema}.history_depths
    SELECT date_trunc('minute', now()) - n * interval '1 minute', 'q' || q, 1000 + n
    FROM generate_series(0, %(count)s - 1) AS q CROSS JOIN generate_series(0, 120) AS n
"""
STATUS = {
    "leads": False,
    "plugins": [{"name": name, "ticked_s_ago": 3.0} for name in ("cron", "history", "leadership", "metrics", "pruner")],
}


@dataclass(frozen=True)
class Size:
    """How much there is.

    Attributes:
        finished: finished jobs.
        live: live ones.
        queues: queues.
        workers: rows of workers, all of which seem to live.
    """

    finished: int
    live: int
    queues: int = 10
    workers: int = 0

    def __str__(self) -> str:
        return f"{self.finished:,} finished and {self.live:,} live jobs, {self.queues} queues, {self.workers} workers"


async def fill(bench: Bench, chancy: Chancy, size: Size) -> None:
    """Fill the jobs, and let the statistics be those of now."""
    schema = chancy.settings.schema
    queue = "'q' || n %% 10" if size.queues == 10 else SPREAD.format(count=size.queues)
    for start in range(0, size.finished, CHUNK):
        bounds = {"from": start + 1, "to": min(start + CHUNK, size.finished), "count": size.finished}
        await bench.admin.execute(FINISHED.format(schema=schema, queue=queue), bounds)
    await bench.admin.execute(LIVE.format(schema=schema, queue=queue), {"count": size.live})
    await bench.admin.execute(f"VACUUM (ANALYZE) {schema}.jobs, {schema}.finished_jobs")


async def furnish(bench: Bench, chancy: Chancy, size: Size) -> None:
    """Declare the queues, which no real worker serves; register the workers; and fill what chancy-history counted."""
    schema = chancy.settings.schema
    history = ("history_minutes", "history_hours", "history_totals", "history_depths")
    for statement in (QUEUES, WORKERS, MINUTES, HOURS, DEPTHS):
        count = size.workers if statement is WORKERS else size.queues
        params = {"count": count, "status": msgspec.json.encode(STATUS).decode(), "tags": ["nobody"], "days": DAYS}
        await bench.admin.execute(statement.format(schema=schema), params)
    async with chancy.pool.connection() as connection:
        # Ten days at a time, as each of its ticks does.
        for _ in range(DAYS // 10 + 1):
            await SQL.rows(connection, schema, "roll_totals")
    tables = ", ".join(f"{schema}.{table}" for table in ("queues", "workers", *history))
    await bench.admin.execute(f"VACUUM (ANALYZE) {tables}")
