"""No page reads a table of jobs from end to end, however it is counted, sorted or grouped there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attacking import client, looks

from chancy import Chancy, Queue
from chancy_dashboard import Dashboard

ROWS = 60_000
# Ids that ascend with time; ten queues, and every twentieth job of a kind that pages look for.
FINISHED = """
    INSERT INTO {s}.finished_jobs (
        id, queue, func, priority, state, max_attempts, attempts, claims, created_at, finished_at, worker, kwargs,
        errors
    )
    SELECT ('0198' || lpad(to_hex(n), 28, '0'))::uuid, 'q' || n %% 10, 'm.f', 0,
           CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END, 1, 1, 1, now(),
           now() - (%s - n) * interval '1 s', 'w', '{"user": 7}', '[{"type": "E", "message": "m"}]'
    FROM generate_series(1, %s) AS n
"""
LIVE = """
    INSERT INTO {s}.jobs (id, queue, func, state, scheduled_at, worker, max_attempts, kwargs)
    SELECT ('0199' || lpad(to_hex(n), 28, '0'))::uuid, 'q' || n %% 10, 'm.f',
           CASE WHEN n %% 100 = 3 THEN 'running' WHEN n %% 100 = 1 THEN 'scheduled' ELSE 'pending' END,
           CASE WHEN n %% 100 = 1 THEN now() + interval '1 day' END, CASE WHEN n %% 100 = 3 THEN 'w' END, 3, '{}'
    FROM generate_series(1, %s) AS n
"""
READ = """
    SELECT relname, seq_tup_read FROM pg_stat_user_tables
    WHERE schemaname = %s AND relname ~ '^(jobs|finished_(succeeded|failed|cancelled))' AND seq_tup_read > 0
"""


# The pages read these from end to end, because there are few: that this is told says that the rest is.
TOLD = "SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_user_tables WHERE schemaname = %s AND relname = 'queues'"


async def test_no_page_reads_a_table_of_jobs_from_end_to_end(
    chancy: Chancy, query: Callable[..., list[Any]], until: Callable[..., Any]
):
    """A connection that ends has told what it read: of no table of jobs as many rows as there are."""
    for n in range(10):
        await chancy.declare(Queue(f"q{n}"))
    query(FINISHED, ROWS, ROWS)
    query(LIVE, ROWS)
    query("VACUUM (ANALYZE) {s}.jobs, {s}.finished_jobs")
    schema = chancy.settings.schema
    before, scans = dict(query(READ, schema)), query(TOLD, schema)
    dashboard = Dashboard(chancy)
    async with client(dashboard) as sender:
        for path in looks(dashboard, {"name": "q3", "id": "01980000-0000-0000-0000-000000000014"}, kinds=("",)):
            # The job is there, and of the others none.
            if not path.startswith(("/operations/", "/workflows/")):
                assert (await sender.get(path)).status_code == 200, path
        for search in ("state:failed", "queue:q3", "state:pending queue:q7", "state:failed error:E since:2h"):
            assert (await sender.get("/jobs", params={"q": search})).status_code == 200, search
    await dashboard.close()
    await until(lambda: query(TOLD, schema) > scans)
    told = {name: count - before.get(name, 0) for name, count in query(READ, schema)}
    assert not {name: count for name, count in told.items() if count >= ROWS // 20}
