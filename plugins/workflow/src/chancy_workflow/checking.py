"""What a workflow is given, checked before it is added: every error names the step, and says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from chancy import Job
from chancy.plugin import check_seconds, nearest
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.steps import WHENS, After, Node, Ref, Step, When, named_in, renamed, written

if TYPE_CHECKING:
    from chancy_workflow.flow import Workflow

# A year and a day; what waits longer is a schedule.
WAIT_MOST_S: Final = 366 * 86_400.0
# Of the jobs of a map.
IN_FLIGHT_MOST: Final = 1_000_000

# What may stand for steps in `after`.
Before = Step | After | str


def known(flow: Workflow, name: str) -> str:
    """The name of a step that is there. Raises InvalidWorkflow."""
    if name not in flow.nodes:
        raise InvalidWorkflow(
            f"The workflow {flow.name!r} has no step {name!r:.120}.{nearest(str(name), flow.nodes)} Add a step "
            "before those that come after it."
        )
    return name


def own(flow: Workflow, name: str, step: Step) -> str:
    """The name of a step of this workflow. Raises InvalidWorkflow for one of another."""
    if step.flow is not flow:
        raise InvalidWorkflow(
            f"The step {name!r} of {flow.name!r} names {step.name!r}, which is a step of another workflow"
            f"{_called(step.flow)}: include that one, and name the step that `include` returns."
        )
    return step.name


def edges(flow: Workflow, name: str, after: Before | Iterable[Before], when: When) -> dict[str, When]:
    """What stands in `after`: the steps and their conditions. Raises InvalidWorkflow."""
    if when not in WHENS:
        raise InvalidWorkflow(f"The step {name!r}: when is {when!r:.60}: give one of {', '.join(WHENS)}.")
    given = [after] if isinstance(after, Step | After | str) else after
    if not isinstance(given, Iterable):
        raise InvalidWorkflow(f"The step {name!r}: after is {after!r:.60}: give steps.")
    found: dict[str, When] = {}
    for one in given:
        if isinstance(one, After):
            parent, condition = own(flow, name, one.step), one.when
        elif isinstance(one, Step):
            parent, condition = own(flow, name, one), when
        elif isinstance(one, str):
            parent, condition = known(flow, one), when
        else:
            raise InvalidWorkflow(f"The step {name!r}: after has {one!r:.60}, which is no step.")
        if found.setdefault(parent, condition) != condition:
            raise InvalidWorkflow(
                f"The step {name!r} comes after {parent!r} twice, when it has {found[parent]} and when it has "
                f"{condition}: give one condition."
            )
    return found


def job_with_refs(flow: Workflow, name: str, job: Any) -> Job:
    """The job of a step, with a Ref for each step among its arguments."""
    found = job if isinstance(job, Job) else getattr(job, "job", None)
    if not isinstance(found, Job):
        raise InvalidWorkflow(f"The step {name!r} has {job!r:.60} for a job: give a Job, or a function with @job.")
    kwargs = {key: with_refs(flow, name, value) for key, value in found.kwargs.items()}
    return found if kwargs == found.kwargs else found.with_kwargs(kwargs)


def with_refs(flow: Workflow, name: str, value: Any) -> Any:
    """An argument with a Ref in the place of each step."""
    if isinstance(value, Step):
        return Ref(own(flow, name, value))
    if isinstance(value, After):
        raise InvalidWorkflow(
            f"The step {name!r} has {value.step.name}.{value.when} as an argument, which is a condition: give the "
            "step itself for its result."
        )
    if type(value) in (list, tuple):
        return [with_refs(flow, name, item) for item in value]
    if type(value) is dict:
        return {key: with_refs(flow, name, item) for key, item in value.items()}
    return value


def of_job(flow: Workflow, name: str, job: Job, after: dict[str, When], **more: Any) -> Node:
    """The node of a step with a job, which comes after the steps whose results it takes. Raises InvalidWorkflow."""
    fields = written(job, name)
    for parent in named_in(fields.get("kwargs", {})):
        needs_result(flow.nodes, name, parent)
        if after.setdefault(parent, "succeeded") == "failed":
            raise InvalidWorkflow(
                f"The step {name!r} takes the result of {parent!r} and is to run when that has failed, when it has "
                "none: leave one of the two out."
            )
    return Node(name=name, job=fields, exact=type(job) is not Job, after=after, **more)


def needs_result(nodes: Mapping[str, Node], name: str, parent: str) -> None:
    """Raise InvalidWorkflow if a step has no result that another one could take."""
    node = nodes[parent]
    if node.kind == "group" and node.result is None:
        raise InvalidWorkflow(
            f"The step {name!r} takes the result of {parent!r}, an included workflow, which has none: say which "
            f"step's it is, as in include({parent!r}, flow, result='…')."
        )
    if node.job is not None and node.job.get("keep_result") is False:
        raise InvalidWorkflow(
            f"The step {name!r} takes the result of {parent!r}, whose job says keep_result=False: let it keep it."
        )


def moved(node: Node, into: str, names: Mapping[str, str]) -> Node:
    """A step of a workflow as one of the workflow that includes it."""
    job = node.job
    if job is not None and "kwargs" in job:
        used = {name: names[name] for name in named_in(job["kwargs"])}
        job = {**job, "kwargs": renamed(job["kwargs"], used)} if used else job
    return msgspec.structs.replace(
        node,
        name=names[node.name],
        job=job,
        after={names[parent]: when for parent, when in node.after.items()},
        scope=into if node.scope is None else names[node.scope],
        over=None if node.over is None else names[node.over],
        result=None if node.result is None else names[node.result],
    )


def check_items(name: str, items: list[Any], argument: str | None) -> None:
    """Raise InvalidWorkflow if an item of a list cannot be the arguments of a job."""
    if argument is not None:
        return
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidWorkflow(
                f"The step {name!r}: item {place} of over is {item!r:.60}: with argument=None each is a dict"
                " of arguments."
            )


def _called(flow: object) -> str:
    name = getattr(flow, "name", None)
    return "" if name is None else f", {name!r}"


def seconds_of(what: str, given: timedelta | float | None) -> float | None:
    """Seconds of a length of time. Raises InvalidWorkflow."""
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if seconds is not None:
        check_seconds(what, seconds, 0, WAIT_MOST_S, error=InvalidWorkflow)
        return float(seconds)
    return None
