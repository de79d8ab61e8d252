"""One run that cannot be moved on, or whose reason is no reason, keeps no other run from going on."""

from __future__ import annotations

import flow_jobs
import pytest

from chancy import Worker
from chancy_workflow import InvalidWorkflow, Workflow, plugin, repairing
from chancy_workflow.acting import CANCELLED, REASON_MOST

GIVE = flow_jobs.give.job
TIMEOUT = 60
# What an older version has stored, or somebody's hand.
SPOILT = "UPDATE {s}.workflow_steps SET node = '{}' WHERE run = %s AND name = 'next'"


def _waits():
    flow = Workflow("waits")
    flow.add("next", GIVE, after=flow.wait("go"))
    return flow


async def _ended(run):
    return (await run.status()).state != "running"


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("   ", CANCELLED),
        ("", CANCELLED),
        (" no \n", "no"),
        ("half \udcff", "half ?"),
        ("x" * 5000, "x" * REASON_MOST),
    ],
)
async def test_a_reason_of_blanks_broke_each_tick_of_each_worker(chancy, query, reason, note):
    """It is kept as what can be read, and what runs is cancelled for it."""
    flow = Workflow("long")
    flow.add("wait", GIVE, delay=3600)
    run = await chancy.push(flow)
    assert await run.cancel(reason)
    assert query("SELECT note FROM {s}.workflow_runs") == [(note,)]
    assert query("SELECT note FROM {s}.finished_jobs") == [(note,)]


@pytest.mark.parametrize("reason", ["a\x00b", 7, ["x"]])
async def test_a_reason_that_cannot_be_stored_was_an_error_of_the_database(chancy, query, reason):
    """It is refused in words, before anything is written; and so is the name of a step that cannot be one."""
    run = await chancy.push(_waits())
    with pytest.raises(InvalidWorkflow, match="reason is"):
        await run.cancel(reason)
    for call in (run.signal("a\x00"), run.result("a\x00"), anext(run.results("a\x00")), run.signal("half \udcff")):
        with pytest.raises(InvalidWorkflow, match="printable"):
            await call
    assert query("SELECT state, stopping, note FROM {s}.workflow_runs") == [("running", None, None)]


async def test_a_blank_note_kept_the_jobs_of_all_stopped_runs_running(chancy, query, until):
    """As an older version has stored it: the jobs of that run are cancelled, and those of others."""
    runs = []
    for note in ("  ", "not needed"):
        flow = Workflow("long")
        flow.add("long", flow_jobs.sleep.job)
        run = await chancy.push(flow)
        query("UPDATE {s}.workflow_runs SET stopping = 'cancel', note = %s WHERE id = %s", note, run.id)
        query("UPDATE {s}.workflow_steps SET stopped = true WHERE run = %s", run.id)
        runs.append(run)
    async with Worker(chancy):
        for run in runs:
            assert (await run.wait(timeout=TIMEOUT)).state == "cancelled"


async def test_a_run_that_cannot_go_on_kept_all_others_from_it(chancy, query, until):
    """Signals in transactions of others come to all runs but that one, which can still be cancelled."""
    bad, good = await chancy.push(_waits()), await chancy.push(_waits())
    query(SPOILT, bad.id)
    query("INSERT INTO {s}.workflow_signals (run, name, value) SELECT id, 'go', '1' FROM {s}.workflow_runs")
    async with Worker(chancy):
        assert (await good.wait(timeout=TIMEOUT)).state == "succeeded"
        assert (await bad.status()).state == "running"
        await bad.cancel(handlers=False)
        await until(lambda: _ended(bad))


async def test_a_run_that_cannot_be_repaired_kept_all_others_from_it(chancy, query, monkeypatch):
    """Ends of which nobody told are told of for each of the others."""
    monkeypatch.setattr(repairing.find_lost, "__defaults__", (0.0,))
    monkeypatch.setattr(repairing.repair, "__defaults__", (0.0,))
    monkeypatch.setattr(plugin, "REPAIR_EVERY_S", 0.0)
    runs = []
    for _ in range(3):
        flow = Workflow("lost")
        flow.add("next", GIVE, after=flow.add("first", GIVE).finished)
        runs.append(await chancy.push(flow))
    query(SPOILT, runs[1].id)
    query("DELETE FROM {s}.jobs")
    async with Worker(chancy):
        for run in (runs[0], runs[2]):
            ended = await run.wait(timeout=TIMEOUT)
            assert ended.steps["first"].note == repairing.GONE
            assert ended.steps["next"].state == "succeeded"
        assert (await runs[1].status()).state == "running"


async def test_the_error_names_the_run_and_what_to_type(chancy, query, caplog, until):
    """Whoever reads the log can do something about it."""
    bad = await chancy.push(_waits())
    query(SPOILT, bad.id)
    query("INSERT INTO {s}.workflow_signals (run, name, value) SELECT id, 'go', '1' FROM {s}.workflow_runs")
    async with Worker(chancy):
        await until(lambda: f"chancy workflow cancel {bad.id} --now" in caplog.text)
