"""Signals, cancels, retries, unique runs and transactions."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import flow_jobs
import psycopg
import pytest
from click.testing import CliRunner

from chancy import Job, Worker
from chancy_workflow import Run, RunState, Workflow, Workflows, plugin, repairing
from chancy_workflow.commands import workflow as command

GIVE = flow_jobs.give.job
TIMEOUT = 60


def states(status):
    return {name: step.state for name, step in status.steps.items()}


async def test_a_signal_may_come_early_late_or_in_a_callers_transaction(chancy, new_chancy):
    """It is kept until its turn comes; one that is rolled back was not sent; and after the time-out nobody waits."""
    flow = Workflow("waits")
    early = flow.wait("early", after=flow.add("first", GIVE))
    own = flow.wait("own", after=early)
    late = flow.wait("late", after=own, timeout=timedelta(seconds=0))
    flow.add("sum", GIVE.with_kwargs(value=[early, own]), after=late.failed)
    run = await chancy.push(flow)
    await run.signal("early", 1)
    async with await psycopg.AsyncConnection.connect(chancy.dsn) as connection:
        await run.signal("own", 3, connection=connection)
        await connection.rollback()
        await run.signal("own", 2, connection=connection)
        await connection.commit()
    async with Worker(chancy):
        ended = await run.wait(timeout=TIMEOUT)
    assert ended.result("sum") == [1, 2]
    assert states(ended)["late"] == "expired"
    assert ended.state == "succeeded"
    with pytest.raises(RunState, match="until its time-out"):
        await run.signal("late")


async def test_a_signal_in_a_callers_transaction_keeps_nobody_waiting(chancy, until):
    """While that transaction lasts, other steps of the run end; the run goes on after its commit."""
    flow = Workflow("waits")
    flow.add("beside", GIVE)
    flow.wait("own")
    async with Worker(chancy), await psycopg.AsyncConnection.connect(chancy.dsn) as connection:
        run = await chancy.push(flow)
        await run.signal("own", "yes", connection=connection)
        await until(lambda: _has(run, "beside", "succeeded"))
        assert states(await run.status())["own"] == "open"
        await connection.commit()
        assert (await run.wait(timeout=TIMEOUT)).result("own") == "yes"


async def _has(run, step, state):
    return states(await run.status())[step] == state


async def test_a_run_exists_if_and_only_if_its_transaction_commits(chancy, query):
    """A push in somebody's transaction, with asyncio and without; and one run a unique key."""
    flow = Workflow("once", unique_key="eu")
    flow.add("first", GIVE)
    with psycopg.connect(chancy.dsn) as connection:
        await asyncio.to_thread(chancy.sync_push, flow, connection=connection)
        connection.rollback()
        assert query("SELECT count(*) FROM {s}.workflow_runs") == [(0,)]
        made = await asyncio.to_thread(chancy.sync_push, flow, connection=connection)
        connection.commit()
    again = await chancy.push(flow)
    assert (again, made.created, again.created) == (made, True, False)
    async with Worker(chancy):
        assert (await asyncio.to_thread(made.sync_wait, timeout=TIMEOUT)).state == "succeeded"
    assert (await chancy.push(flow)).created


async def test_a_cancelled_run_ends_and_undoes_what_it_had_begun(chancy, until):
    """What runs is stopped, what waits is skipped; handlers run, unless nothing is to begin any more."""
    flow = Workflow("long")
    long = flow.add("long", flow_jobs.sleep.job)
    flow.add("next", GIVE, after=long)
    flow.wait("never")
    flow.add("undo", GIVE, after=long.failed)
    flow.add("tidy", GIVE, after=long.finished)
    async with Worker(chancy):
        soft, hard = await chancy.push(flow), await chancy.push(flow)
        for run in (soft, hard):
            await until(lambda run=run: _has(run, "long", "pushed"))
        assert await soft.cancel("not needed")
        assert await hard.cancel(handlers=False)
        ended = await soft.wait(timeout=TIMEOUT)
        assert (ended.state, ended.note) == ("cancelled", "not needed")
        assert states(ended) == {
            "long": "cancelled", "next": "skipped", "never": "cancelled", "undo": "succeeded", "tidy": "succeeded",
        }  # fmt: skip
        ended = await hard.wait(timeout=TIMEOUT)
        assert ended.state == "cancelled"
        assert {states(ended)["undo"], states(ended)["tidy"]} == {"skipped"}
        assert not await hard.cancel()


async def test_a_failure_stops_the_others_if_the_workflow_says_so(chancy):
    """`on_failure="cancel"`: a running step is cancelled, a waiting one skipped, and the run has failed."""
    flow = Workflow("strict", on_failure="cancel")
    flow.add("long", flow_jobs.sleep.job)
    flow.add("bad", flow_jobs.fail.job)
    flow.map("many", flow_jobs.sleep.job.with_kwargs(), over=[{}, {}, {}], argument=None, max_in_flight=1)
    flow.add("never", GIVE, after="long")
    async with Worker(chancy):
        ended = await (await chancy.push(flow)).wait(timeout=TIMEOUT)
    assert ended.state == "failed"
    assert states(ended) == {"long": "cancelled", "bad": "failed", "many": "cancelled", "never": "skipped"}
    assert ended.note == "The step 'bad' failed."


@pytest.mark.parametrize(
    ("how", "again", "kept"),
    [
        ({"mode": "failed"}, {"bad", "after"}, {"first", "tidy"}),
        ({"mode": "below"}, {"bad", "after", "tidy"}, {"first"}),
        ({"mode": "all"}, {"first", "bad", "after", "tidy"}, set()),
        ({"from_": "first"}, {"first", "bad", "after", "tidy"}, set()),
        ({"from_": "after"}, {"after"}, {"first", "tidy", "bad"}),
    ],
)
async def test_a_retry_runs_again_what_it_says(chancy, how, again, kept):
    """What failed, what comes after that, everything, or a step and what comes after it; the rest keeps its results."""
    key = f"retry {how}"
    flow = Workflow("retried")
    first = flow.add("first", GIVE.with_kwargs(value=7))
    bad = flow.add("bad", flow_jobs.fail.job.with_kwargs(name=key, times=1), after=first)
    flow.add("after", GIVE.with_kwargs(value=[first, bad]))
    flow.add("tidy", GIVE, after=bad.finished)
    async with Worker(chancy):
        run = await chancy.push(flow)
        before = await run.wait(timeout=TIMEOUT)
        assert before.state == "failed"
        if how.get("from_") == "after":
            with pytest.raises(RunState):
                await (await chancy.push(_good())).retry()
            await run.retry()
            before = await run.wait(timeout=TIMEOUT)
        attempt = await run.retry(**how)
        ended = await run.wait(timeout=TIMEOUT)
    assert ended.state == "succeeded", str(ended)
    assert ended.result("after") == [7, "well"]
    assert ended.attempt == attempt == before.attempt + 1
    assert len(ended.past) == attempt - 1
    moved = {name for name, step in ended.steps.items() if step.job_id != before.steps[name].job_id}
    assert (moved, moved & kept) == (again, set())


def _good():
    flow = Workflow("good")
    flow.wait("for ever")
    return flow


async def test_a_map_that_is_retried_runs_again_only_what_did_not_succeed(chancy):
    """And gives the results of all of its items, in order."""
    flow_jobs.FAILING["double 2"] = 1
    flow = Workflow("map")
    flow.add("sum", flow_jobs.total.job.with_kwargs(numbers=flow.map("double", flow_jobs.double.job, over=[1, 2, 3])))
    async with Worker(chancy):
        run = await chancy.push(flow)
        ended = await run.wait(timeout=TIMEOUT)
        assert ended.state == "failed"
        assert ended.steps["double"].note == "1 of its 3 jobs failed; double[1]: ValueError: no 2"
        await run.retry()
        ended = await run.wait(timeout=TIMEOUT)
    assert (ended.state, ended.result("sum")) == ("succeeded", 12)
    assert [value async for value in run.results("double")] == [2, 4, 6]


async def test_an_included_workflow_is_one_step(chancy):
    """Its failure is caught from outside, its result comes up, and a retry goes down."""
    inner = Workflow("inner")
    key = "include"
    inner.add("out", GIVE.with_kwargs(value=inner.add("in", flow_jobs.fail.job.with_kwargs(name=key, times=1))))
    flow = Workflow("outer")
    part = flow.include("part", inner, after=flow.add("first", GIVE), result="out")
    flow.add("sorry", GIVE, after=part.failed)
    flow.add("use", GIVE.with_kwargs(value=part))
    async with Worker(chancy):
        run = await chancy.push(flow)
        ended = await run.wait(timeout=TIMEOUT)
        assert ended.state == "succeeded"
        assert (states(ended)["part"], states(ended)["sorry"]) == ("failed", "succeeded")
        await run.retry("below")
        ended = await run.wait(timeout=TIMEOUT)
    assert ended.result("use") == "well", str(ended)
    assert states(ended)["sorry"] == "skipped"


async def test_a_job_that_cannot_be_pushed_fails_its_step_and_no_other(chancy):
    """Results that were not kept or are too large for an argument, a list that is none: the run ends all the same."""
    flow = Workflow("hard")
    some = flow.add("some", GIVE.with_kwargs(value="x" * 250_000))
    lost = flow.add("lost", GIVE.with_kwargs(value="x" * 500_000))
    flow.add("large", GIVE.with_kwargs(value=[some] * 5))
    flow.add("without", GIVE.with_kwargs(value=lost))
    flow.map("over", GIVE, over=some)
    flow.map("none", GIVE, over=lost)
    flow.add("good", GIVE.with_kwargs(value=1), after=lost)
    async with Worker(chancy):
        ended = await (await chancy.push(flow)).wait(timeout=TIMEOUT)
    bad = {name for name, state in states(ended).items() if state == "failed"}
    assert bad == {"large", "without", "over", "none"}
    notes = {name: step.note for name, step in ended.steps.items()}
    assert "payload_limit_bytes" in notes["large"]
    assert "lost: The result was not kept" in notes["without"]
    assert "lost: The result was not kept" in notes["none"]
    assert "which is no list" in notes["over"]
    assert states(ended)["good"] == "succeeded"


async def test_a_step_whose_job_forgot_its_run_or_was_pruned_is_found(chancy, query, until, monkeypatch):
    """The tick finds ends of which nobody told the run; a job that is nowhere has failed."""
    monkeypatch.setattr(repairing.find_lost, "__defaults__", (0.0,))
    monkeypatch.setattr(repairing.repair, "__defaults__", (0.0,))
    monkeypatch.setattr(plugin, "REPAIR_EVERY_S", 0.0)
    flow = Workflow("lost")
    flow.add("forgets", Job.from_func(flow_jobs.forget))
    flow.add("gone", GIVE.with_scheduled_at(_tomorrow()))
    run = await chancy.push(flow)
    query("DELETE FROM {s}.jobs WHERE state = 'scheduled'")
    async with Worker(chancy):
        ended = await run.wait(timeout=TIMEOUT)
    assert states(ended) == {"forgets": "succeeded", "gone": "failed"}
    assert ended.result("forgets") == 1
    assert ended.steps["gone"].note == repairing.GONE


def _tomorrow():
    return datetime.now(UTC) + timedelta(days=1)


async def test_runs_are_deleted_whole_and_only_when_they_have_ended_long_ago(new_chancy, query, until):
    """No step of a live run goes, however old it is."""
    flow = Workflow("old")
    flow.add("first", GIVE)
    async with new_chancy(Workflows(interval=0.1, keep="1m")) as chancy:
        async with Worker(chancy):
            old, live = await chancy.push(flow), await chancy.push(_good())
            await old.wait(timeout=TIMEOUT)
        query("UPDATE {s}.workflow_runs SET ended_at = ended_at - interval '2 days'")
        async with new_chancy(Workflows(interval=0.1, keep="1m")) as other, Worker(other):
            await until(lambda: query("SELECT id FROM {s}.workflow_runs") == [(live.id,)])
    assert query("SELECT DISTINCT run FROM {s}.workflow_steps") == [(live.id,)]


async def test_the_command_line_shows_and_does_the_same(chancy, new_chancy):
    """`chancy workflow list|show|signal|cancel|retry|graph`, for people and for programs."""
    flow = Workflow("by hand")
    flow.add("next", GIVE, after=flow.wait("go"))
    run = await chancy.push(flow)

    def call(*words, code=0):
        done = CliRunner().invoke(command, [*words], obj=new_chancy)
        assert done.exit_code == code, done.output
        return done.output

    def all_of_it():
        assert "by hand" in call("list")
        assert str(run) in call("list", "--state", "running")
        assert "… go    open for its signal" in call("show", str(run))
        assert json.loads(call("show", str(run), "--json"))["steps"]["next"]["waits_for"] == ["go"]
        assert "no JSON" in call("signal", str(run), "go", "yes", code=2)
        assert json.loads(call("signal", str(run), "go", '"yes"', "--json"))["value"] == "yes"
        assert "being stopped" in call("cancel", str(run), "--reason", "no")
        assert json.loads(call("list", "--json"))["runs"][0]["state"] == "cancelled"
        assert "attempt 2" in call("retry", str(run), "--mode", "all")
        return CliRunner().invoke(command, ["graph", "-", "--mermaid"], input=flow.to_json()).output

    assert "flowchart LR" in await asyncio.to_thread(all_of_it)
    assert states(await Run(chancy, run.id).status())["go"] == "open"
