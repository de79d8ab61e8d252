"""What moves runs on is looked up by indexes, whatever the statistics say."""

import json

import flow_jobs
import psycopg
import pytest

from chancy.plugin import statement
from chancy_workflow import Workflow

GIVE = flow_jobs.give.job


@pytest.mark.parametrize("pinned", [True, False])
async def test_ends_of_jobs_are_told_without_reading_every_step(chancy, query, pinned):
    """Right after the push of a wide graph, with no statistics: no row is read that is not one of the steps."""
    flow = Workflow("wide")
    flow.add("join", GIVE, after=[flow.add(str(n), GIVE) for n in range(2000)])
    await chancy.push(flow)
    rows = query(
        "SELECT run::text, n, job_id::text FROM {s}.workflow_steps WHERE job_id IS NOT NULL ORDER BY n LIMIT 200"
    )
    ended = [{"id": job, "state": "succeeded", "at": "2026-01-01T00:00:00Z"} for _, _, job in rows]
    steps = [{"run": run, "n": n, "state": "succeeded"} for run, n, _ in rows]
    with psycopg.connect(chancy.dsn) as connection:
        if pinned:
            for kind in ("seqscan", "hashjoin", "mergejoin", "bitmapscan", "material"):
                connection.execute(f"SET LOCAL enable_{kind} = off".encode())
        for name, params in (
            ("end_jobs", {"ended": json.dumps(ended), "since": "2026-01-01T00:00:00Z"}),
            ("resolve", {"ended": json.dumps(steps)}),
            ("set_steps", {"steps": json.dumps(steps)}),
        ):
            text = statement(name, chancy.settings.schema, "chancy_workflow.sql")
            plan = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + text, params).fetchone()[0]
            assert max(_removed(plan[0]["Plan"])) < 10_000, f"{name} {plan}"
        connection.rollback()


def _removed(node):
    """How many rows each node of a plan has read in vain."""
    loops = node.get("Actual Loops", 1)
    yield loops * sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Join Filter", "Index Recheck"))
    for part in node.get("Plans", ()):
        yield from _removed(part)
