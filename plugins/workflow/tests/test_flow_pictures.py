"""Graphs as pictures: small enough to be looked at, nothing on top of anything, and names that are only read."""

from __future__ import annotations

import random
import re
from importlib.resources import files
from itertools import pairwise
from xml.etree import ElementTree as ET

import flow_jobs
import pytest

from chancy import State
from chancy_workflow import Workflow
from chancy_workflow.picture.folding import BOXES_MOST, folded
from chancy_workflow.picture.graph import Box, Graph, Line, of_flow
from chancy_workflow.picture.layers import laid_out
from chancy_workflow.picture.svg import ORDER, SHAPES, drawn

HOSTILE = "\"/><script>alert(1)</script>\x01\u202e'"
MANY = 10_000


def fan(flow: Workflow) -> None:
    """One, many, and one."""
    first = flow.add("first", flow_jobs.give.job)
    flow.add(
        "join", flow_jobs.give.job, after=[flow.add(f"s{n}", flow_jobs.give.job, after=first) for n in range(MANY)]
    )


def chain(flow: Workflow) -> None:
    """One after the other."""
    step = flow.add("first", flow_jobs.give.job)
    for n in range(MANY):
        step = flow.add(f"s{n}", flow_jobs.give.job, after=step)


def included(flow: Workflow) -> None:
    """A workflow for each of many customers, each of which differs in what comes after it."""
    one = Workflow("customer")
    one.add("send", flow_jobs.give.job, after=one.add("read", flow_jobs.give.job))
    for n in range(MANY // 4):
        flow.add(f"s{n}", flow_jobs.give.job, after=flow.include(f"customer {n}", one))


def tangle(flow: Workflow) -> None:
    """Anything after anything."""
    chance = random.Random(7)
    names: list[str] = []
    for n in range(MANY):
        flow.add(f"s{n}", flow_jobs.give.job, after=chance.sample(names[-500:], min(len(names), 3)))
        names.append(f"s{n}")


@pytest.mark.parametrize("shape", [fan, chain, included, tangle])
def test_ten_thousand_steps_are_few_boxes_which_stand_for_all_of_them(shape):
    """No step is lost, none is in two boxes, and each box can be opened by its key."""
    flow = Workflow("many")
    shape(flow)
    graph = folded(of_flow(flow))
    assert len(graph.boxes) <= BOXES_MOST
    names = [name for inside in graph.members for name in inside]
    assert sorted(names) == sorted(flow.nodes)
    steps = [name for name, node in flow.nodes.items() if node.kind != "gate"]
    assert sum(box.stands_for for box in graph.boxes if box.kind != "gate") == len(steps)
    for box, inside in zip(graph.boxes, graph.members, strict=True):
        assert graph.inside(box.key) == inside
    # What is in a box is a picture of its own.
    widest = max(graph.members, key=len)
    assert 1 <= len(folded(of_flow(flow).only(widest)).boxes) <= BOXES_MOST


def test_counts_of_states_are_kept_when_steps_become_one_box():
    """Also those of boxes that become one with others later."""
    boxes = [
        Box(key=f"s{n}", label=f"s{n}", kind="job", state="failed" if n % 100 else "succeeded") for n in range(MANY)
    ]
    lines = [Line(n, n + 1, "succeeded") for n in range(MANY - 1)]
    graph = folded(Graph("chain", boxes, lines, [(box.key,) for box in boxes]))
    assert sum(box.counts.get("failed", 0) for box in graph.boxes) == MANY - MANY // 100
    assert sum(sum(box.counts.values()) for box in graph.boxes) == MANY


def test_few_steps_are_drawn_one_by_one_and_an_included_workflow_by_its_ends():
    """Its beginning leads to its first steps only, and its end comes after its last."""
    inner = Workflow("inner")
    inner.add("b", flow_jobs.give.job, after=inner.add("a", flow_jobs.give.job))
    flow = Workflow("outer")
    flow.add(
        "undo",
        flow_jobs.give.job,
        after=flow.include("in", inner, after=flow.add("x", flow_jobs.give.job)),
        when="failed",
    )
    graph = folded(of_flow(flow))
    keys = [box.key for box in graph.boxes]
    assert {(keys[line.parent], keys[line.child], line.when) for line in graph.lines} == {
        ("x", "in/[begin]", "succeeded"),
        ("in/[begin]", "in/a", "succeeded"),
        ("in/a", "in/b", "succeeded"),
        ("in/b", "in", "within"),
        ("in", "undo", "failed"),
    }


@pytest.mark.parametrize("seed", range(5))
def test_no_box_lies_on_another_or_before_what_it_comes_after(seed):
    """In random graphs, with lines that pass several columns."""
    chance = random.Random(seed)
    count = chance.randint(2, 120)
    lines = [
        Line(parent, child, "succeeded")
        for child in range(1, count)
        for parent in sorted(chance.sample(range(child), min(child, chance.randint(0, 3))))
    ]
    layout = laid_out(count, lines)
    for line in lines:
        assert layout.columns[line.parent] < layout.columns[line.child]
    for column in set(layout.columns):
        rows = sorted(row for row, at in zip(layout.rows, layout.columns, strict=True) if at == column)
        assert all(after - before > 0.999 for before, after in pairwise(rows))
    assert min(layout.rows) >= 0
    assert max(layout.rows) + 1 <= layout.height + 1e-6


def test_a_picture_is_xml_in_which_names_are_only_read():
    """Whatever a step is called; nothing in it is a script or a style of its own."""
    boxes = [Box(key=HOSTILE, label=HOSTILE, kind="map", state=HOSTILE, counts={HOSTILE: 1, "failed": 2}, note=HOSTILE)]
    graph = Graph(HOSTILE, boxes, [], [(HOSTILE,)])
    text = drawn(graph, lambda box: f"/jobs?q={box.key}".replace("\x01", ""), alone=False)
    elements = list(ET.fromstring(text).iter())
    assert {one.tag for one in elements} <= {"svg", "a", "g", "rect", "text", "title", "path"}
    assert not {name for one in elements for name in one.attrib} & {"style", "onclick", "onload"}
    assert "alert(1)" in "".join(one.text or "" for one in elements)
    assert "\u202e" not in "".join(one.text or "" for one in elements)


def test_a_picture_that_stands_alone_brings_its_colours_for_both_themes():
    """As `to_svg` and `chancy workflow graph --svg` write it."""
    flow = Workflow("one")
    flow.add("a", flow_jobs.give.job)
    text = flow.to_svg()
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in text


def test_every_state_has_a_shape_and_a_place_among_the_counts():
    """Those of steps, by the table, and of jobs: a state that only a colour tells is not told to everybody."""
    table = (files("chancy_workflow.migrations") / "0001_workflow.sql").read_text()
    _, _, rest = table.partition("workflow_steps_state CHECK")
    states = set(re.findall(r"'(\w+)'", rest.partition(";")[0])) | {
        state.value for state in State if not state.finished
    }
    assert len(states) > 9
    assert states == set(SHAPES) == set(ORDER)
    # A step that was pushed may be pending, and one that waits is ready in a moment: these look alike.
    assert len(set(SHAPES.values())) == len(states) - 2
