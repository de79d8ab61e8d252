"""The workflow of a run, drawn and written on the command line."""

import asyncio
import json

import flow_jobs
from click.testing import CliRunner

from chancy_workflow import Workflow
from chancy_workflow.commands import workflow as command

GIVE = flow_jobs.give.job


def a_flow():
    """One of each."""
    inner = Workflow("inner", on_failure="cancel")
    inner.add("out", GIVE.with_kwargs(value=inner.add("in", GIVE)))
    flow = Workflow("whole", unique_key="one", on_failure="cancel")
    first = flow.add("first", GIVE.with_kwargs(value=[1, 2]).with_priority(3))
    parts = flow.map("parts", GIVE, over=first, argument="value", max_in_flight=3)
    flow.map("items", GIVE, over=[{"value": 1}], argument=None)
    flow.include("group", inner, after=parts, result="out")
    yes = flow.wait("yes", after=flow["group"].finished, timeout=60)
    flow.add("last", GIVE.with_kwargs(value=[flow["group"], {"a": yes}]), after=parts.failed, delay=2)
    return flow


async def call(new_chancy, *words, given=None):
    """What the command says, and its exit code."""
    done = await asyncio.to_thread(CliRunner().invoke, command, [*words], obj=new_chancy, input=given)
    return done.output, done.exit_code


async def test_the_workflow_of_a_run_is_the_one_that_was_pushed(chancy, new_chancy):
    """To the letter, so that what is written of it can be pushed again; and it is drawn in three ways."""
    flow = a_flow()
    run = await chancy.push(flow)
    rebuilt = await run.workflow()
    assert rebuilt == flow
    for words in ("--text", "--mermaid", "--svg"):
        shown, code = await call(new_chancy, "graph", str(run), words)
        assert (shown.strip(), code) == (getattr(flow, f"to_{words[2:]}")().strip(), 0)
    written, _ = await call(new_chancy, "graph", str(run), "--json")
    again, _ = await call(new_chancy, "graph", "-", "--json", given=written)
    assert json.loads(again) == json.loads(written) == flow.to_dict()


async def test_a_run_that_has_grown_is_drawn_as_it_is(chancy):
    """What was added stands before the step that has to wait for it."""
    flow, more = Workflow("grows"), Workflow("more")
    flow.add("join", GIVE, after=flow.add("first", GIVE))
    more.add("new", GIVE)
    run = await chancy.push(flow)
    await run.extend(more, before="join")
    rebuilt = await asyncio.to_thread(run.sync_workflow)
    assert rebuilt.nodes["join"].after == {"first": "succeeded", "new": "succeeded"}
    assert "new" in rebuilt.to_svg()
    assert list(rebuilt.nodes).index("new") < list(rebuilt.nodes).index("join")


async def test_what_is_neither_a_run_nor_a_file_is_refused_in_words(chancy, new_chancy, tmp_path):
    """A name of nothing, the id of no run, a file that is no workflow, and one with a circle."""
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"\xff\xfe")
    circle = {"name": "w", "steps": [{"name": "a", "job": {"func": "a.b"}, "after": {"a": "succeeded"}}]}
    for source, given, words in (
        ("nothing.json", None, "no file that can be read"),
        (str(tmp_path), None, "no file that can be read"),
        ("01a22169-db82-747d-85e0-b1e1eccf1006", None, "chancy workflow list"),
        (str(bad), None, "bad.json"),
        ("-", "[1]", "This is no workflow"),
        ("-", json.dumps(circle), "in a circle: a → a"),
    ):
        done = await asyncio.to_thread(CliRunner().invoke, command, ["graph", source], obj=new_chancy, input=given)
        assert done.exit_code != 0
        assert words in f"{done.output} {done.exception}", (source, done.output, done.exception)
