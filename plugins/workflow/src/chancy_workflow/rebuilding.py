"""The workflow of a run, from its rows."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from chancy_workflow.flow import Workflow
from chancy_workflow.reading import put
from chancy_workflow.reading_runs import not_found
from chancy_workflow.steps import Node, named_in, renamed
from chancy_workflow.work import Ask, Work, grouped


def read_workflow(id_: str) -> Work[Workflow]:
    """The workflow of a run. Raises RunNotFound."""
    found = yield Ask("read_run", {"run": id_})
    if not found:
        raise not_found(id_)
    rows = yield Ask("read_graph", {"run": id_})
    edges = grouped((yield Ask("read_edges", {"run": id_})), 1)
    names = {row[0]: row[1] for row in rows}
    flow = Workflow(found[0][1], unique_key=found[0][3], on_failure=found[0][10])
    nodes: dict[str, Node] = {}
    for n, name, kind, _, scope, max_in_flight, text in rows:
        after = {names[parent]: on_end for parent, _, on_end in edges.get(n, ()) if on_end != "within"}
        fields = {"name": name, "kind": kind, "after": after, "scope": names.get(scope), "max_in_flight": max_in_flight}
        nodes[name] = msgspec.convert({**fields, **_named(json.loads(text), names)}, Node)
    put(flow, nodes)
    return flow


def _named(stored: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    """What is kept of a step, with names for numbers."""
    for key in ("over", "result"):
        if key in stored:
            stored[key] = names[stored[key]]
    kwargs = stored.get("job", {}).get("kwargs", {})
    if used := {n: names[n] for n in named_in(kwargs)}:
        stored["job"]["kwargs"] = renamed(kwargs, used)
    return stored
