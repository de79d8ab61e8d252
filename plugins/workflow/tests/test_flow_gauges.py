"""How runs stand in numbers, for metrics."""

import flow_jobs
import psycopg

from chancy import Worker
from chancy.plugin import statement
from chancy_workflow import Workflow

TIMEOUT = 60


async def numbers(chancy):
    """Each gauge by its name, without what they have in common; a label's values as a dict."""
    found = {}
    for plugin, gauge in await chancy.plugins.gauges(chancy):
        assert plugin == "workflow"
        assert len(gauge.values) <= 3
        values = {"".join(labels): value for labels, value in gauge.values.items()}
        found[gauge.name.removeprefix("chancy_workflow_")] = values.get("", values)
    return found


async def test_runs_by_state_their_durations_and_the_signals_they_wait_for_are_counted(chancy, query):
    """None yet; then some that ended and some that wait, of which the oldest says for how long."""
    assert await numbers(chancy) == {
        "runs": 0,
        "oldest_run_seconds": 0,
        "runs_ended": {"succeeded": 0, "failed": 0, "cancelled": 0},
        "run_seconds": {},
        "signals_waited_for": 0,
        "oldest_signal_seconds": 0,
    }
    waiting = Workflow("waiting")
    waiting.wait("never")
    good, bad = Workflow("good"), Workflow("bad")
    good.add("a", flow_jobs.give.job)
    bad.add("a", flow_jobs.fail.job)
    async with Worker(chancy):
        for flow in (good, good, bad):
            await (await chancy.push(flow)).wait(timeout=TIMEOUT)
    for _ in range(3):
        run = await chancy.push(waiting)
    query("UPDATE {s}.workflow_steps SET begun_at = now() - interval '1 hour' WHERE run = %s", str(run))
    query("UPDATE {s}.workflow_runs SET created_at = now() - interval '2 hours' WHERE id = %s", str(run))
    query("UPDATE {s}.workflow_runs SET created_at = ended_at - interval '30 s' WHERE state <> 'running'")
    found = await numbers(chancy)
    assert (found["runs"], found["signals_waited_for"]) == (3, 3)
    assert found["runs_ended"] == {"succeeded": 2, "failed": 1, "cancelled": 0}
    assert found["run_seconds"] == {"0.5": 30, "0.95": 30, "0.99": 30}
    assert 3600 <= found["oldest_signal_seconds"] < 7000
    assert 7200 <= found["oldest_run_seconds"] < 10_000
    # What ended long ago is not counted any more.
    query("UPDATE {s}.workflow_runs SET ended_at = ended_at - interval '1 hour' WHERE state <> 'running'")
    assert (await numbers(chancy))["runs_ended"] == {"succeeded": 0, "failed": 0, "cancelled": 0}


async def test_a_look_reads_by_indexes_however_many_runs_are_kept(chancy, query):
    """Many runs that ended: none of them is read for those that have not, nor steps for those that wait."""
    query(
        "INSERT INTO {s}.workflow_runs (id, name, on_failure, state, size, unended, created_at, ended_at) "
        "SELECT gen_random_uuid(), 'old', 'finish', 'succeeded', 1, 0, now() - interval '2 d', now() - interval '1 d' "
        "FROM generate_series(1, 20000)"
    )
    query(
        "INSERT INTO {s}.workflow_steps (run, n, name, kind, state, need, node) "
        "SELECT gen_random_uuid(), 0, 'old', 'wait', 'succeeded', 0, '[]' FROM generate_series(1, 20000)"
    )
    query("ANALYZE {s}.workflow_runs")
    query("ANALYZE {s}.workflow_steps")
    text = statement("read_gauges", chancy.settings.schema, "chancy_workflow.sql")
    with psycopg.connect(chancy.dsn) as connection:
        rows = connection.execute(b"EXPLAIN " + text, {"recent_s": 900.0, "limit": 10_000}).fetchall()
    plan = "\n".join(line for (line,) in rows)
    for index in ("workflow_runs_running", "workflow_runs_ended_at", "workflow_steps_signals"):
        assert index in plan
    assert "Seq Scan" not in plan
