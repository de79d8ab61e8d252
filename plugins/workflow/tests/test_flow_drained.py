"""A drain of `chancy.testing` runs a graph, in the transaction of the test."""

from __future__ import annotations

import importlib
import sys
from datetime import timedelta
from pathlib import Path

import flow_jobs
import pytest

from chancy.testing import AsyncJobs, Jobs
from chancy_workflow import InvalidWorkflow, Workflow
from chancy_workflow.testing import start_after, start_after_async


def sums():
    flow = Workflow("sums")
    numbers = flow.add("list", flow_jobs.give.job.with_kwargs(value=[1, 2, 3]))
    doubled = flow.map("double", flow_jobs.double.job, over=numbers, max_in_flight=2)
    flow.add("sum", flow_jobs.total.job.with_kwargs(numbers=doubled))
    return flow


def test_a_graph_needed_a_worker_to_be_tested(new_chancy, query):
    """Its steps, its map and its results, drained on one connection and rolled back."""
    with new_chancy() as chancy:
        with Jobs(chancy) as jobs:
            run = chancy.sync_push(sums())
            assert jobs.drain().succeeded == 5
            ended = run.sync_wait(timeout=0)
            assert (ended.state, ended.result("double"), ended.result("sum")) == ("succeeded", [2, 4, 6], 12)
        assert query("SELECT count(*) FROM {s}.workflow_runs") == [(0,)]


async def test_a_graph_needed_a_worker_to_be_tested_with_asyncio(new_chancy):
    """The same, awaited."""
    async with new_chancy() as chancy, AsyncJobs(chancy) as jobs:
        run = await chancy.push(sums())
        await jobs.drain()
        assert (await run.wait(timeout=0)).result("sum") == 12


@pytest.mark.parametrize("comes", [True, False], ids=["signal", "time-out"])
def test_a_signal_could_not_be_sent_in_a_test(new_chancy, comes):
    """It is sent between two drains; or the clock goes on until nobody waits for it any more."""
    flow = Workflow("asks")
    asked = flow.add("ask", flow_jobs.give.job)
    answer = flow.wait("answer", after=asked, timeout=3600)
    flow.add("use", flow_jobs.give.job.with_kwargs(value=answer), after=answer)
    flow.add("give_up", flow_jobs.give.job, after=answer, when="failed")
    with new_chancy() as chancy, Jobs(chancy) as jobs:
        run = chancy.sync_push(flow)
        assert jobs.drain().succeeded == 1
        assert run.sync_status().steps["answer"].state == "open"
        if comes:
            run.sync_signal("answer", "yes")
        jobs.drain(until=timedelta(hours=2))
        ended = run.sync_wait(timeout=0)
        states = {name: str(step.state) for name, step in ended.steps.items()}
        if comes:
            assert (ended.result("use"), states["give_up"]) == ("yes", "skipped")
        else:
            assert (states["answer"], states["use"], states["give_up"]) == ("expired", "skipped", "succeeded")


def test_a_run_could_not_begin_in_the_middle(new_chancy):
    """The steps before have the results that the test gives, and none of their jobs runs."""
    with new_chancy() as chancy, Jobs(chancy) as jobs:
        run = start_after(jobs, sums(), "double", results={"list": [1, 2], "double": [20, 40]})
        assert run.sync_status().steps["sum"].state == "pushed"
        assert jobs.drain().succeeded == 1
        assert run.sync_wait(timeout=0).result("sum") == 60
        with pytest.raises(InvalidWorkflow, match="has no step 'dubble': it has list, double, sum"):
            start_after(jobs, sums(), "dubble")


async def test_a_run_could_not_begin_in_the_middle_with_asyncio(new_chancy):
    """The same, awaited; a step that waits for a signal has its value."""
    flow = Workflow("asks")
    answer = flow.wait("answer")
    flow.add("use", flow_jobs.give.job.with_kwargs(value=answer), after=answer)
    async with new_chancy() as chancy, AsyncJobs(chancy) as jobs:
        run = await start_after_async(jobs, flow, "answer", results={"answer": "yes"})
        await jobs.drain()
        assert (await run.wait(timeout=0)).result("use") == "yes"


def _nightly(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent / "examples"))
    flow = importlib.import_module("nightly").nightly_flow(["ada", "bob"])
    sys.modules.pop("nightly")
    return flow


@pytest.mark.parametrize("steps", [("ada", "bob"), ("ada/sum", "bob/sum"), ("ada",)], ids="-".join)
def test_a_run_began_at_its_beginning_if_what_was_before_was_included(new_chancy, monkeypatch, steps):
    """A step that is an included workflow stands for all that is in it; also where it is before another one."""
    results = {"ada/sum": {"customer": "ada", "sum": 1}, "bob/sum": {"customer": "bob", "sum": 2}}
    with new_chancy() as chancy, Jobs(chancy) as jobs:
        run = start_after(jobs, _nightly(monkeypatch), *steps, results=results)
        states = {name: step.state for name, step in run.sync_status().steps.items()}
        assert {states["ada/read"], states["ada/sum"], states["ada"]} == {"succeeded"}
        assert states["report"] == ("pushed" if len(steps) == 2 else "waiting")
        if len(steps) == 2:
            assert jobs.drain().succeeded == 1
            assert run.sync_wait(timeout=0).result("report") == "ada: 1\nbob: 2"


def test_a_run_began_after_all_that_is_before_an_included_workflow(new_chancy):
    """What is before the whole has happened, too; and the step after it is the next one."""
    inner = Workflow("inner")
    inner.add("a", flow_jobs.give.job)
    flow = Workflow("outer")
    part = flow.include("part", inner, after=flow.add("first", flow_jobs.give.job))
    flow.add("last", flow_jobs.give.job, after=part)
    with new_chancy() as chancy, Jobs(chancy) as jobs:
        run = start_after(jobs, flow, "part")
        states = {name: step.state for name, step in run.sync_status().steps.items()}
        assert (states.pop("last"), set(states.values())) == ("pushed", {"succeeded"})


@pytest.mark.parametrize(("given", "words"), [([20], r"none for 'double\[1\]'"), (3, "give the list of its results")])
def test_too_few_results_of_a_map_were_an_index_error(new_chancy, given, words):
    """It is said which one is missing."""
    with new_chancy() as chancy, Jobs(chancy) as jobs, pytest.raises(InvalidWorkflow, match=words):
        start_after(jobs, sums(), "double", results={"list": [1, 2], "double": given})
