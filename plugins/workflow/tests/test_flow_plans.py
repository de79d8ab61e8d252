"""What moves runs on is looked up by indexes, whatever the statistics say."""

import json

import flow_jobs
import psycopg
import pytest

from chancy.plugin import statement
from chancy_workflow import Workflow

GIVE = flow_jobs.give.job


# What a statistic may have seen when a plan is made: nothing, or what was there before this graph.
SEEN = {
    "nothing": (),
    "a run like it": ("ANALYZE {s}.workflow_steps", "ANALYZE {s}.workflow_edges"),
    "one that is gone": (
        "ANALYZE {s}.workflow_steps",
        "ANALYZE {s}.workflow_edges",
        "TRUNCATE {s}.workflow_steps, {s}.workflow_edges",
    ),
}
WIDE = 1000


@pytest.mark.new_tables
@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("seen", SEEN)
async def test_runs_move_on_without_reading_every_step(chancy, query, pinned, seen):
    """Right after the push of a wide graph, whatever statistics have seen, and however plans are made."""
    for table in ("workflow_steps", "workflow_edges"):
        # What statistics have seen is said below, and nowhere else.
        query(f"ALTER TABLE {{s}}.{table} SET (autovacuum_enabled = off)")
    flow = Workflow("wide")
    flow.add("join", GIVE, after=[flow.add(str(n), GIVE) for n in range(WIDE)])
    flow.map("parts", GIVE, over=list(range(WIDE)), argument="value", max_in_flight=WIDE // 2)
    await chancy.push(flow)
    for text in SEEN[seen]:
        query(text)
    if SEEN[seen]:
        await chancy.push(flow)
    pushed = query(
        "SELECT run::text, n, job_id::text, kind FROM {s}.workflow_steps WHERE job_id IS NOT NULL ORDER BY run DESC, n"
    )
    steps = [row for row in pushed if row[3] == "job"][:WIDE]
    parts = [row for row in pushed if row[3] == "part"][: WIDE // 2]
    ((parts_of,),) = query("SELECT n FROM {s}.workflow_steps WHERE kind = 'map' LIMIT 1")
    with psycopg.connect(chancy.dsn) as connection:
        for kind in ("seqscan", "hashjoin", "mergejoin", "bitmapscan", "material") if pinned else ():
            connection.execute(f"SET LOCAL enable_{kind} = off".encode())
        for name, params in _asked(steps[:200], parts, parts_of):
            text = statement(name, chancy.settings.schema, "chancy_workflow.sql")
            plan = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + text, params).fetchone()[0]
            assert sum(_removed(plan[0]["Plan"])) < 10 * WIDE, f"{name} {plan}"
        connection.rollback()


def _asked(steps, parts, parts_of):
    """The statements that move runs on, with what they are given when many jobs have ended at once."""
    at = "2026-01-01T00:00:00Z"
    named = json.dumps([{"run": run, "n": n, "state": "succeeded"} for run, n, *_ in [*steps, *parts]])
    runs, ns, jobs, _ = (list(column) for column in zip(*steps, *parts, strict=True))
    most = len(jobs)
    yield "lock_runs_of", {"jobs": jobs, "ms": "1000"}
    yield "end_runs", {"ended": json.dumps([{"run": runs[0], "steps": 1}]), "runs": runs, "ns": ns, "jobs": jobs}
    yield "mark_missed", {"steps": named, "grace_s": 1.0}
    ended = {"ids": jobs, "states": ["succeeded"] * most, "notes": [None] * most, "ats": [at] * most, "since": at}
    yield "end_jobs", ended
    yield "resolve", {"ended": json.dumps([{"run": run, "n": n, "state": "succeeded"} for run, n, *_ in steps])}
    yield "set_steps", {"steps": named}
    yield "end_parts", {"ended": json.dumps([{"run": runs[0], "n": parts_of, "parts": len(parts)}])}
    yield "next_parts", {"run": runs[0], "map": parts_of, "count": len(parts)}
    yield "read_nodes", {"steps": named}
    yield "read_results", {"steps": named}


def _removed(node):
    """How many rows each node of a plan has read in vain."""
    loops = node.get("Actual Loops", 1)
    yield loops * sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Join Filter", "Index Recheck"))
    for part in node.get("Plans", ()):
        yield from _removed(part)
