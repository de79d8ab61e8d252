"""How long the first page of a filter takes, beside a long history and a long backlog."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.database import Bench
from benchmarks.frame import Comparison, Sample, Scenario
from chancy import Chancy

# What a page may take that an index serves, and what any page may take: two seconds, and the end of a slice.
SERVED_MS = 50.0
BUDGET_MS = 2200.0

# Ids that ascend with time, as a UUIDv7 does; finished jobs are older than live ones.
_ID = "(lpad(to_hex({start} + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
FINISHED = f"""
    INSERT INTO {{schema}}.finished_jobs (
        id, queue, func, priority, state, max_attempts, attempts, claims, created_at, started_at, finished_at, worker,
        kwargs, errors, unique_key
    )
    SELECT {_ID.format(start=10**6)}, 'q' || n %% 10,
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
    SELECT {_ID.format(start=10**9)}, 'q' || n %% 10, 'app.mail.send', state,
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

SERVED = {
    "all": "",
    "one id": "id:{id}",
    "running": "state:running",
    "retrying": "state:retrying func:app.mail.*",
    "pending in a queue": "state:pending queue:q3",
    "a live unique key": "state:live key:live-500",
    "failed": "state:failed",
    "failed with an error": "state:failed func:app.mail.* error:timeout since:2h",
    "a queue": "queue:q3",
}
SEARCHED = {
    "a rare argument": "kwargs.user:7",
    "no such argument": "kwargs.user:nobody",
    "no such error": "error:nothing",
    "no such note": "state:succeeded note:nothing",
    "a key of long ago": "key:order-10",
    "long ago": "until:30d",
}


def scenario(bench: Bench) -> Scenario:
    finished, live = (1_000_000, 100_000) if bench.quick else (10_000_000, 1_000_000)
    opened: list[Chancy] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        async with bench.schema("find") as chancy:
            schema = chancy.settings.schema
            for start in range(0, finished, CHUNK):
                bounds = {"from": start + 1, "to": min(start + CHUNK, finished), "count": finished}
                await bench.admin.execute(FINISHED.format(schema=schema), bounds)
            await bench.admin.execute(LIVE.format(schema=schema), {"count": live})
            await bench.admin.execute(f"VACUUM (ANALYZE) {schema}.jobs, {schema}.finished_jobs")
            opened.append(chancy)
            yield

    async def page(text: str) -> Sample:
        (chancy,) = opened
        middle = await bench.one(
            f"SELECT id FROM {chancy.settings.schema}.jobs WHERE unique_key = 'live-{live // 20 * 10}'"
        )
        await chancy.find_jobs("id:0", limit=1)
        start = time.perf_counter()
        found = await chancy.find_jobs(text.format(id=middle))
        return {"page_ms": (time.perf_counter() - start) * 1e3, "found": float(len(found.jobs))}

    return Scenario(
        name="find",
        how=f"the first page of 50 jobs, among {finished:,} finished and {live:,} live ones, on a warm connection",
        subjects={what: partial(page, text) for what, text in {**SERVED, **SEARCHED}.items()},
        comparisons=[
            *(Comparison(f"`{text}`", what, "all", "page_ms", within=SERVED_MS) for what, text in SERVED.items()),
            *(Comparison(f"`{text}`", what, "all", "page_ms", within=BUDGET_MS) for what, text in SEARCHED.items()),
        ],
        repeats=5,
        every=dict.fromkeys(SEARCHED, 2),
        around=around(),
    )
