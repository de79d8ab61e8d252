"""Push the jobs of steps whose turn it is, with the results that they take as arguments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import msgspec

from chancy import Job
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.steps import filled, made, named_in
from chancy_workflow.work import Ask, PushJobs, Work

if TYPE_CHECKING:
    from chancy_workflow.advancing import ReadyStep

# In the meta of a job: which run and step it belongs to. A batch of jobs without it asks nothing.
META: Final = "workflow"
Pushed = tuple[UUID | None, str | None]


class Lost(NamedTuple):
    """In the place of a result: why there is none, although the step has succeeded."""

    why: str


def push_steps(steps: Sequence[ReadyStep]) -> Work[list[Pushed]]:
    """Push jobs.

    Returns:
        For each the id of its job, or why it could not be pushed.
    """
    maps = yield from _maps(steps)
    nodes = [maps[one.run, one.scope] if one.kind == "part" else one.node for one in steps]
    results = yield from _results(steps, nodes)
    now = None
    if any(node.get("delay_s") is not None for node in nodes):
        ((now,),) = yield Ask("now", {})
    done: list[Pushed] = [(None, None)] * len(steps)
    jobs: dict[int, Job] = {}
    for place, (step, node) in enumerate(zip(steps, nodes, strict=True)):
        try:
            jobs[place] = job_of(step, node, results, now)
        except (ValueError, TypeError, ArithmeticError, RecursionError, msgspec.ValidationError) as error:
            done[place] = (None, str(error))
    if jobs:
        answers = yield PushJobs(list(jobs.values()))
        for place, answer in zip(jobs, answers, strict=True):
            done[place] = (answer, None) if isinstance(answer, UUID) else (None, _text(answer))
    return done


def job_of(step: ReadyStep, node: dict[str, Any], results: dict[Any, Any], now: datetime | None) -> Job:
    """The job of a step. Raises InvalidJob, a ValueError."""
    fields = dict(node["job"])
    kwargs = fields.get("kwargs", {})
    own = {n: results[step.run, n] for n in set(named_in(kwargs))}
    for value in own.values():
        if isinstance(value, Lost):
            raise InvalidWorkflow(f"It takes a result that there is not. {value.why}")
    kwargs = filled(kwargs, own) if own else kwargs
    if step.kind == "part":
        item, argument = step.node["item"], node.get("argument")
        kwargs = {**kwargs, **(item if argument is None else {argument: item})}
    fields["kwargs"] = kwargs
    fields["meta"] = {**fields.get("meta", {}), META: {"run": step.run, "step": step.name}}
    if now is not None and node.get("delay_s") is not None:
        fields["scheduled_at"] = now + timedelta(seconds=node["delay_s"])
    return made(fields, exact=node.get("exact", False))


def _maps(steps: Sequence[ReadyStep]) -> Work[dict[tuple[str, int | None], dict[str, Any]]]:
    """The maps of the parts among these."""
    wanted = sorted({(one.run, one.scope) for one in steps if one.kind == "part" and one.scope is not None})
    if not wanted:
        return {}
    rows = yield Ask("read_nodes", {"steps": json.dumps([{"run": run, "n": n} for run, n in wanted])})
    return {(run, n): json.loads(node) for run, n, _, _, node in rows}


def _results(steps: Sequence[ReadyStep], nodes: Sequence[dict[str, Any]]) -> Work[dict[Any, Any]]:
    """The results that these steps take as arguments, each read once."""
    wanted = {
        (step.run, n) for step, node in zip(steps, nodes, strict=True) for n in named_in(node["job"].get("kwargs", {}))
    }
    if not wanted:
        return {}
    rows = yield Ask("read_results", {"steps": json.dumps([{"run": run, "n": n} for run, n in sorted(wanted)])})
    return {
        (run, n): Lost(problem) if problem is not None else None if text is None else json.loads(text)
        for run, n, text, problem in rows
    }


def _text(error: Exception) -> str:
    return f"Its job could not be pushed: {type(error).__name__}: {error}"
