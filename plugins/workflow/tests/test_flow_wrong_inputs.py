"""What cannot be a workflow is refused in words, before anything is written."""

import json
import math
import re

import flow_jobs
import pytest

from chancy import Job
from chancy.errors import ConfigError, UnknownQueue
from chancy_workflow import InvalidWorkflow, Run, RunNotFound, RunState, Workflow, Workflows
from chancy_workflow.flow import STEPS_MOST

GIVE = flow_jobs.give.job


def flow_of_two():
    flow = Workflow("two")
    flow.add("list", GIVE)
    flow.add("load", GIVE, after="list")
    return flow


OTHER = Workflow("other")
FOREIGN = OTHER.add("theirs", GIVE)

WRONG = {
    "a name is empty": (lambda flow: flow.add(" ", GIVE), "name of a step"),
    "a name has a sign of ours": (lambda flow: flow.add("a/b", GIVE), "'a/b'"),
    "a name is there already": (lambda flow: flow.add("list", GIVE), "two steps 'list'"),
    "no job": (lambda flow: flow.add("x", flow_jobs), "function with @job"),
    "after an unknown step": (lambda flow: flow.add("x", GIVE, after="lost"), "no step 'lost'. Did you mean 'list'"),
    "after no step": (lambda flow: flow.add("x", GIVE, after=[3]), "after has 3"),
    "an unknown condition": (lambda flow: flow.add("x", GIVE, after="list", when="done"), "when is 'done'"),
    "two conditions": (lambda flow: flow.add("x", GIVE, after=[flow["list"], flow["list"].failed]), "one condition"),
    "after a step of another": (lambda flow: flow.add("x", GIVE, after=FOREIGN), "another workflow, 'other'"),
    "an argument of another": (
        lambda flow: flow.add("x", GIVE.with_kwargs(value=[{"a": FOREIGN}])),
        "another workflow",
    ),
    "a condition as an argument": (
        lambda flow: flow.add("x", GIVE.with_kwargs(value=flow["list"].failed)),
        "condition",
    ),
    "the result of a failure": (
        lambda flow: flow.add("x", GIVE.with_kwargs(value=flow["list"]), after=flow["list"].failed),
        "takes the result of 'list' and is to run when that has failed",
    ),
    "a result that is not kept": (
        lambda flow: flow.add("x", GIVE.with_kwargs(value=flow.add("n", Job("a.b", keep_result=False)))),
        "keep_result=False",
    ),
    "an argument that is no JSON": (lambda flow: flow.add("x", GIVE.with_kwargs(value=[{1, 2}])), "'x': kwargs"),
    "an argument like a placeholder": (lambda flow: flow.add("x", GIVE.with_kwargs(value={"$step": 1})), "stands for"),
    "an endless delay": (lambda flow: flow.add("x", GIVE, delay=math.inf), "'x': delay"),
    "a map over a text": (lambda flow: flow.map("x", GIVE, over="abc"), "over is 'abc'"),
    "a map over what is no JSON": (lambda flow: flow.map("x", GIVE, over=[object()]), "'x': over"),
    "a map of arguments that are none": (lambda flow: flow.map("x", GIVE, over=[1], argument=None), "item 0 of over"),
    "a map of none at a time": (lambda flow: flow.map("x", GIVE, over=[1], max_in_flight=0), "max_in_flight is 0"),
    "a time-out in the past": (lambda flow: flow.wait("x", timeout=-1), "timeout is -1"),
    "an empty workflow in it": (lambda flow: flow.include("x", Workflow("none")), "add steps to it first"),
    "what is no workflow in it": (lambda flow: flow.include("x", GIVE), "give a Workflow"),
    "a result that it has not": (lambda flow: flow.include("x", OTHER, result="their"), "no step 'their'"),
    "the result of a workflow without": (
        lambda flow: flow.add("y", GIVE.with_kwargs(value=flow.include("x", OTHER))),
        "an included workflow, which has none",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_step_that_cannot_be_is_refused_in_words(wrong):
    """With what is wrong, and nothing is added."""
    flow = flow_of_two()
    call, words = WRONG[wrong]
    with pytest.raises(InvalidWorkflow, match=re.escape(words)):
        call(flow)
    assert not {"x", "y"} & set(flow.nodes) - ({"x"} if "y" in words or "has none" in words else set())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "name of a workflow"),
        ({"on_failure": "stop"}, "on_failure"),
        ({"steps": [{"name": "a", "kind": "job"}]}, "give it a job"),
        ({"steps": [{"name": "a", "jobs": {}}]}, "Did you mean 'job'"),
        ({"steps": [{"name": "a", "job": {"func": "a.b", "quue": "x"}}]}, "'quue', which is no field of a job"),
        ({"steps": [{"name": "a", "job": {"func": "a.b", "priority": "x"}}]}, "'a' has a job that cannot be"),
        ({"steps": [{"name": "a", "job": {"func": "a.b"}}] * 2}, "two steps 'a'"),
        ({"steps": [{"name": "a", "job": {"func": "a.b"}, "after": {"b": "failed"}}]}, "names 'b', which is no step"),
        (
            {"steps": [{"name": n, "job": {"func": "a.b"}, "after": {m: "succeeded"}} for n, m in ("ab", "bc", "ca")]},
            "in a circle: ",
        ),
    ],
)
def test_a_text_that_is_no_workflow_is_refused_in_words(changed, words):
    """Unknown and missing fields, names that are not there, and circles with their steps."""
    with pytest.raises(InvalidWorkflow, match=words):
        Workflow.from_json(json.dumps({"name": "w", "steps": [], **changed}))


def test_a_circle_is_named_with_its_steps():
    """Each of them, in their order."""
    steps = [{"name": n, "job": {"func": "a.b"}, "after": {m: "succeeded"}} for n, m in ("ab", "bc", "ca")]
    with pytest.raises(InvalidWorkflow, match=r"a → b → c → a|b → c → a → b|c → a → b → c"):
        Workflow.from_json(json.dumps({"name": "w", "steps": steps}))


def test_more_steps_than_anybody_looks_at_are_refused():
    """The hundred thousand and first."""
    flow = Workflow("large")
    first = flow.add("0", GIVE)
    flow.nodes.update({str(n): flow.nodes[first.name] for n in range(1, STEPS_MOST)})
    with pytest.raises(InvalidWorkflow, match="more than 100,000 steps"):
        flow.add("one more", GIVE)


def test_a_workflow_comes_back_from_its_json():
    """Whatever it has; and its pictures name its steps."""
    flow = flow_of_two()
    parts = flow.map("parts", GIVE, over=flow["list"], argument="value", max_in_flight=3)
    flow.include("inner", flow_of_two(), after=parts, result="load")
    flow.wait("yes", after=flow["inner"], timeout=60)
    flow.add("end", GIVE.with_kwargs(value=[flow["inner"], {"a": flow["yes"]}]), after=parts.failed, delay=2)
    assert Workflow.from_json(flow.to_json()) == flow
    for drawn in (flow.to_text(), flow.to_mermaid(), flow.to_svg()):
        assert all(name in drawn for name in ("list", "parts", "yes", "end"))


@pytest.mark.parametrize("settings", [{"interval": 0}, {"interval": "x"}, {"keep": "soon"}, {"keep": "1s"}])
def test_a_setting_out_of_range_is_refused(settings):
    """The interval, and how long runs are kept."""
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Workflows(**settings)


async def test_nothing_is_written_of_what_is_refused(chancy, query):
    """A workflow without steps, with a queue that nobody declared, or with a job that plugins or the kernel refuse."""
    with pytest.raises(InvalidWorkflow, match="has no steps"):
        await chancy.push(Workflow("none"))
    flow = flow_of_two()
    flow.add("last", GIVE.with_queue("defualt"), after="load")
    with pytest.raises(UnknownQueue, match=r"'defualt'.*Did you mean 'default'"):
        await chancy.push(flow)
    bad = Workflow("bad")
    bad.add("good", GIVE)
    bad.add("large", GIVE.with_kwargs(value="x" * 2_000_000))
    with pytest.raises(ValueError, match="payload_limit_bytes"):
        await chancy.push(bad)
    with pytest.raises(ValueError, match="more than one job"):
        await chancy.push(flow_of_two(), GIVE)
    for table in ("workflow_runs", "workflow_steps", "workflow_edges", "jobs"):
        assert query(f"SELECT count(*) FROM {{s}}.{table}") == [(0,)]


async def test_what_a_run_cannot_take_is_refused(chancy, query):
    """Signals that nobody waits for, runs that there are not, and a retry of what runs."""
    flow = flow_of_two()
    flow.wait("approved")
    run = await chancy.push(flow)
    with pytest.raises(InvalidWorkflow, match=r"'aproved'.*Did you mean 'approved'"):
        await run.signal("aproved")
    with pytest.raises(InvalidWorkflow, match="value of the signal"):
        await run.signal("approved", object())
    await run.signal("approved", 1)
    with pytest.raises(RunState, match="has come"):
        await run.signal("approved", 2)
    with pytest.raises(RunState, match="is under way"):
        await run.retry()
    with pytest.raises(InvalidWorkflow, match="mode is 'some'"):
        await run.retry("some")
    with pytest.raises(InvalidWorkflow, match="no step 'lod'"):
        await run.result("lod")
    with pytest.raises(RunNotFound, match="not the id of a run"):
        Run(chancy, "soon")
    nobody = Run(chancy, "01a22169-db82-747d-85e0-b1e1eccf1006")
    for call in (
        nobody.status(),
        nobody.signal("x"),
        nobody.cancel(),
        nobody.retry(),
        nobody.wait(),
        nobody.result("x"),
    ):
        with pytest.raises(RunNotFound, match="chancy workflow list"):
            await call
