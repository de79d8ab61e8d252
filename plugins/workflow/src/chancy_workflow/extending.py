"""Add steps to a run that is under way: what a step has found out may need others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from chancy.plugin import nearest
from chancy_workflow.errors import InvalidWorkflow, RunState
from chancy_workflow.flow import STEPS_MOST
from chancy_workflow.pushing import Rows, check_queues, store_steps
from chancy_workflow.reading_runs import read_state
from chancy_workflow.work import Ask, Work

if TYPE_CHECKING:
    from chancy_workflow.flow import Workflow


def extend(id_: str, flow: Workflow, before: Iterable[str]) -> Work[bool]:
    """Add the steps of a workflow to a run: whether they are new.

    Raises:
        RunNotFound: there is no such run.
        RunState: it has ended, or is being stopped; or a step of `before` does not wait any more.
        InvalidWorkflow: some of the names are there already, and others are not; there is no step `before`; or the run
            had too many steps then.
        UnknownQueue: nobody declared the queue of a step.
    """
    yield Ask("lock_runs", {"runs": [id_]})
    state = yield from read_state(id_)
    there = {row[1]: row for row in (yield Ask("read_graph", {"run": id_}))}
    if not _new(flow, there):
        return False
    if state != "running" or (yield Ask("read_run", {"run": id_}))[0][4] is not None:
        raise RunState(f"Run {id_} has ended, or is being stopped: no steps can be added to it.")
    ((first,),) = yield Ask("next_number", {"run": id_})
    if len(there) + len(flow.nodes) > STEPS_MOST:
        raise InvalidWorkflow(
            f"Run {id_} has {len(there):,} steps: with {len(flow.nodes):,} more it had more than {STEPS_MOST:,}, which "
            "is the most. Use a map, whose jobs do not count; or push these as a run of their own."
        )
    rows = Rows(flow, first=first)
    yield from check_queues(rows.queues)
    yield Ask("grow_run", {"run": id_, "count": len(rows.nodes)})
    later = [_waiting(name, there) for name in dict.fromkeys(before)]
    if later:
        edges = [{"parent": n, "child": child, "on_end": "succeeded"} for child in later for n in _last(rows)]
        yield Ask("add_edges", {"run": id_, "edges": json.dumps(edges)})
        yield Ask("raise_need", {"run": id_, "steps": later, "count": len(_last(rows))})
    yield from store_steps(id_, rows)
    return True


def _new(flow: Workflow, there: Mapping[str, Any]) -> bool:
    """Whether all of the names are new. Raises InvalidWorkflow if only some are."""
    known = [name for name in flow.nodes if name in there]
    if known and len(known) < len(flow.nodes):
        other = next(name for name in flow.nodes if name not in there)
        raise InvalidWorkflow(
            f"The run has a step {known[0]!r} already, and none {other!r}: steps that are added together are there "
            "together. Add the new ones in a workflow of their own."
        )
    return not known


def _waiting(name: str, there: Mapping[str, Any]) -> int:
    """The number of a step that waits."""
    if name not in there:
        raise InvalidWorkflow(f"The run has no step {name!r:.120}.{nearest(str(name), there)}")
    n, _, _, state, *_ = there[name]
    if state != "waiting":
        raise RunState(f"The step {name!r} does not wait any more ({state}): nothing can be added before it.")
    return int(n)


def _last(rows: Rows) -> list[int]:
    """The steps that no other one of these comes after."""
    parents = {edge["parent"] for edge in rows.edges}
    return [n for name, n in rows.numbers.items() if n not in parents]
