"""Workflows from JSON: as `to_json` has written them, or somebody by hand."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import msgspec

from chancy import Job
from chancy.plugin import check_json, check_seconds, check_text, check_whole, nearest
from chancy_workflow.checking import IN_FLIGHT_MOST, WAIT_MOST_S, check_items, needs_result
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.flow import STEPS_MOST, Workflow
from chancy_workflow.steps import Node, OnFailure, check_path, made, named_in
from chancy_workflow.work import grouped


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    steps: list[dict[str, Any]]
    unique_key: str | None = None
    on_failure: OnFailure = "finish"


def read(text: str | bytes) -> Workflow:
    """The workflow in a text. Raises InvalidWorkflow."""
    try:
        document = msgspec.json.decode(text, type=_Document)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeError, RecursionError) as wrong:
        raise InvalidWorkflow(f"This is no workflow: {wrong}.") from None
    flow = Workflow(document.name, unique_key=document.unique_key, on_failure=document.on_failure)
    if len(document.steps) > STEPS_MOST:
        raise InvalidWorkflow(
            f"The workflow {flow.name!r} has {len(document.steps):,} steps: the most is {STEPS_MOST:,}."
        )
    nodes: dict[str, Node] = {}
    for place, given in enumerate(document.steps):
        node = _node(place, given)
        if node.name in nodes:
            raise InvalidWorkflow(
                f"There are two steps {node.name!r} in the workflow {flow.name!r}: give each its own name."
            )
        nodes[node.name] = node
    for node in nodes.values():
        _check(node, nodes)
    _check_circles(flow.name, nodes)
    put(flow, nodes)
    return flow


def put(flow: Workflow, nodes: Mapping[str, Node]) -> None:
    """Put the steps into the workflow, in their order, but each after those that it comes after."""
    inside = grouped([(node.name, node.scope) for node in nodes.values() if node.kind != "gate"], 1)
    for first in nodes:
        left = [first]
        while left:
            node = nodes[left[-1]]
            before = [name for name in node.after if name not in flow.nodes]
            before += [name for name, _ in inside.get(node.name, ()) if name not in flow.nodes]
            if before:
                left += reversed(before)
            else:
                flow.nodes.setdefault(left.pop(), node)


def _node(place: int, given: dict[str, Any]) -> Node:
    known = Node.__struct_fields__
    for key in given:
        if key not in known:
            raise InvalidWorkflow(f"Step {place} of this workflow has {key!r}.{nearest(key, known)}")
    try:
        node = msgspec.convert(given, Node)
    except msgspec.ValidationError as wrong:
        raise InvalidWorkflow(f"Step {given.get('name', place)!r:.120} of this workflow cannot be: {wrong}.") from None
    _check_values(node)
    return node


def _check_values(node: Node) -> None:
    """Raise InvalidWorkflow if a step has a value that the methods of `Workflow` would have refused."""
    what = f"The step {check_path(node.name)!r}"
    for field, seconds in (("delay_s", node.delay_s), ("timeout_s", node.timeout_s)):
        if seconds is not None:
            check_seconds(f"{what}: {field}", seconds, 0, WAIT_MOST_S, error=InvalidWorkflow)
    if node.max_in_flight is not None:
        check_whole(f"{what}: max_in_flight", node.max_in_flight, 1, IN_FLIGHT_MOST, error=InvalidWorkflow)
    if node.argument is not None:
        check_text(f"{what}: argument", node.argument, error=InvalidWorkflow)
    if node.items is not None:
        check_json(f"{what}: items", node.items, error=InvalidWorkflow)
        check_items(node.name, node.items, node.argument)
    if node.job is not None:
        # Before anybody looks for placeholders in it, which goes as deep as it does.
        check_json(f"{what}: job", node.job, error=InvalidWorkflow)
        for name in named_in(node.job.get("kwargs", {})):
            if not isinstance(name, str):
                raise InvalidWorkflow(f"{what} takes the result of {name!r:.80}: give the name of a step.")


def _check(node: Node, nodes: Mapping[str, Node]) -> None:
    """Raise InvalidWorkflow if a step names one that there is not, or has what its kind has not."""
    if (node.job is not None) is not (node.kind in ("job", "map")):
        raise InvalidWorkflow(
            f"The step {node.name!r} is of the kind {node.kind}: {'it has a' if node.job else 'give it a'} job."
        )
    if node.kind == "map" and (node.over is None) == (node.items is None):
        raise InvalidWorkflow(f"The step {node.name!r} is a map: give it either over or items.")
    taken = [] if node.job is None else list(named_in(node.job.get("kwargs", {})))
    for name in [*node.after, *taken, *(one for one in (node.over, node.scope, node.result) if one is not None)]:
        if name not in nodes:
            raise InvalidWorkflow(
                f"The step {node.name!r} names {name!r:.120}, which is no step.{nearest(str(name), nodes)}"
            )
    for name in [*taken, *([] if node.over is None else [node.over])]:
        if node.after.get(name) not in ("succeeded", "finished"):
            raise InvalidWorkflow(f"The step {node.name!r} takes the result of {name!r}: put it in its after.")
        needs_result(nodes, node.name, name)
    if node.scope is not None and nodes[node.scope].kind != "group":
        raise InvalidWorkflow(f"The step {node.name!r} is in the scope of {node.scope!r}, which is no group.")
    if node.job is not None:
        _check_job(node, node.job)


def _check_job(node: Node, fields: dict[str, Any]) -> None:
    try:
        made(fields, exact=node.exact)
    except (msgspec.ValidationError, TypeError, ValueError) as wrong:
        raise InvalidWorkflow(f"The step {node.name!r} has a job that cannot be: {wrong}") from None
    for name in fields:
        if name not in Job.__struct_fields__:
            hint = nearest(name, Job.__struct_fields__)
            raise InvalidWorkflow(f"The step {node.name!r} has a job with {name!r}, which is no field of a job.{hint}")


def _check_circles(name: str, nodes: Mapping[str, Node]) -> None:
    """Raise InvalidWorkflow if steps come after each other in a circle."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for node in nodes.values():
        sorter.add(node.name, *node.after)
        if node.scope is not None:
            sorter.add(node.scope, node.name)
    try:
        sorter.prepare()
    except CycleError as cycle:
        path = " → ".join(cycle.args[1][::-1])
        raise InvalidWorkflow(
            f"The steps of {name!r} come after each other in a circle: {path}. Break it at one of them."
        ) from None
