"""A workflow written by hand is checked as one that is built: what would hang or break its run is refused in words."""

from __future__ import annotations

import json
from types import SimpleNamespace

import flow_jobs
import pytest
from click.testing import CliRunner

from chancy import Worker
from chancy_workflow import InvalidWorkflow, Workflow
from chancy_workflow.commands import workflow as command
from chancy_workflow.pages.acts import ACTIONS

GIVE = flow_jobs.give.job
TIMEOUT = 60
JOB = {"func": "flow_jobs.give"}
DEEP = "[" * 500 + "]" * 500


def text_of(step, **more):
    return json.dumps({"name": "w", "steps": [{"name": "a", "job": JOB, **step}], **more})


def step_with(**fields):
    return text_of({"job": {**JOB, **fields}})


def takes(step):
    """A step after another one that has no result."""
    taker = {"name": "b", "job": {**JOB, "kwargs": {"value": {"$step": "a"}}}, "after": {"a": "succeeded"}}
    return json.dumps({"name": "w", "steps": [step, taker]})


WRONG = {
    "none at a time": (text_of({"kind": "map", "items": [1], "max_in_flight": -1}), "max_in_flight is -1"),
    "too many at a time": (text_of({"kind": "map", "items": [1], "max_in_flight": 10**12}), "max_in_flight is 1000"),
    "an endless delay": (text_of({"delay_s": 1e18}), "'a': delay_s is 1e"),
    "a delay in the past": (text_of({"delay_s": -1}), "'a': delay_s is -1"),
    "an endless time-out": (text_of({"kind": "wait", "job": None, "timeout_s": 1e300}), "'a': timeout_s is 1e"),
    "an empty name": (text_of({"name": " "}), "name of a step"),
    "a name with a NUL": (text_of({"name": "a\x00"}), "name of a step"),
    "a name of 5,000": (text_of({"name": "a" * 5000}), "name of a step"),
    "a part of 5,000": (text_of({"name": "x/" + "a" * 500}), "name of a step"),
    "an empty part": (text_of({"name": "x//y"}), "name of a step"),
    "a name of ours": (text_of({"name": "x[3]"}), r"one of the signs"),
    "a placeholder of a list": (step_with(kwargs={"value": {"$step": [1]}}), r"result of \[1\]"),
    "a deep argument": (text_of({"job": {**JOB, "kwargs": {"v": 0}}}).replace(": 0}", f": {DEEP}}}"), "'a': job"),
    "a very deep argument": (text_of({"items": 0}).replace(": 0}", f": {'[' * 100_000}"), "is no workflow"),
    "a NUL in an argument": (step_with(kwargs={"value": "\x00"}), "'a': job"),
    "half a surrogate": (text_of({}).replace("w", "\udcff", 1), "no workflow"),
    "bytes that are none": (b'{"name": "\xff\xfe", "steps": []}', "no workflow"),
    "a map of what is none": (text_of({"kind": "map", "items": [1], "argument": None}), "item 0 of over"),
    "an argument of no name": (text_of({"kind": "map", "items": [1], "argument": " "}), "'a': argument"),
    "a result not kept": (takes({"name": "a", "job": {**JOB, "keep_result": False}}), "keep_result=False"),
    "a group without": (takes({"name": "a", "kind": "group"}), "which has none"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_text_broke_the_runs_of_all_others(wrong):
    """A run that hung, an error at each end of a job, a RecursionError: refused, with the step and the value."""
    text, words = WRONG[wrong]
    with pytest.raises(InvalidWorkflow, match=words):
        Workflow.from_json(text)


def test_a_name_within_many_was_an_error_of_the_index():
    """The names of included workflows are put before those of their steps: all of it must fit."""
    flow = Workflow("deep")
    flow.add("a" * 90, GIVE)
    for n in range(5):
        outer = Workflow("deep")
        outer.include(f"{n}" * 90, flow)
        flow = outer
    with pytest.raises(InvalidWorkflow, match="1 to 600"):
        Workflow("deeper").include("n" * 90, flow)


def test_what_is_included_comes_back_from_its_json():
    """Its names have parts, and its beginning has a name of ours."""
    inner, middle, flow = Workflow("inner"), Workflow("middle"), Workflow("outer")
    inner.add("a", GIVE)
    middle.include("inner", inner, after=middle.add("first", GIVE), result="a")
    flow.include("middle", middle, after=flow.add("first", GIVE), result="inner")
    assert Workflow.from_json(flow.to_json()) == flow


async def test_a_delay_that_was_stored_before_fails_its_step(chancy, query):
    """And nobody's hook, again and again."""
    flow = Workflow("late")
    flow.add("late", GIVE, after=flow.add("first", GIVE), delay=1)
    run = await chancy.push(flow)
    query("UPDATE {s}.workflow_steps SET node = jsonb_set(node::jsonb, '{delay_s}', '1e18')::json WHERE name = 'late'")
    async with Worker(chancy):
        ended = await run.wait(timeout=TIMEOUT)
    assert ended.steps["late"].state == "failed"


@pytest.mark.parametrize("value", ["[" * 100_000, '"\udcff"', "yes"], ids=["deep", "half a surrogate", "no JSON"])
def test_a_value_for_a_signal_ended_in_a_traceback(value):
    """It is no JSON, and that is said, before anything is opened."""
    done = CliRunner().invoke(command, ["signal", "01a22169-db82-747d-85e0-b1e1eccf1006", "go", value], obj=None)
    assert (done.exit_code, "no JSON" in done.output) == (2, True), done.output


@pytest.mark.parametrize("value", ["[" * 100_000, '"\udcff"', "yes"], ids=["deep", "half a surrogate", "no JSON"])
async def test_a_value_in_the_form_of_a_signal_was_a_500(value):
    """The same in the dashboard."""
    visit = SimpleNamespace(
        chancy=None, path={"id": "01a22169-db82-747d-85e0-b1e1eccf1006"}, form={"name": "go", "value": value}
    )
    (send,) = [one.run for one in ACTIONS if one.name == "signal"]
    with pytest.raises(InvalidWorkflow, match="is no JSON"):
        await send(visit)
