"""What a workflow is made of: its steps as values, and the handles by which they are named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from chancy import Job
from chancy.plugin import check_json, check_text
from chancy_workflow.errors import InvalidWorkflow

When: TypeAlias = Literal["succeeded", "failed", "finished"]
WHENS: Final = get_args(When)
# In the JSON of a workflow, and in the arguments of a step as they are stored, this stands for a step's result.
PLACEHOLDER: Final = "$step"
# What separates the name of an included workflow from the names of its steps, and of a map from the number of a part.
RESERVED: Final = "/[]"
NAME_MOST: Final = 100
# The step of an included workflow that is there before all others of it.
BEGIN: Final = "[begin]"
# Of the name of a step in workflows that are included in each other: an index has no more than 2,700 bytes of it.
PATH_MOST: Final = 600


class Edge(msgspec.Struct, frozen=True):
    """A step after another one, and on which condition.

    Attributes:
        parent: the name of the step that goes before.
        when: "succeeded", "failed" or "finished".
    """

    parent: str
    when: When = "succeeded"


class Step:
    """A step of one workflow: what comes after it names it in `after`, or takes its result as an argument."""

    __slots__ = ("flow", "name")

    def __init__(self, flow: object, name: str) -> None:
        self.flow: Final = flow
        self.name: Final = name

    def __repr__(self) -> str:
        return f"<Step {self.name!r}>"

    @property
    def succeeded(self) -> After:
        """For `after`: when this step has succeeded, whatever `when` says."""
        return After(self, "succeeded")

    @property
    def failed(self) -> After:
        """For `after`: when this step has failed, was cancelled, or has expired."""
        return After(self, "failed")

    @property
    def finished(self) -> After:
        """For `after`: when this step has ended in any way, or was skipped."""
        return After(self, "finished")


class After(msgspec.Struct, frozen=True):
    """A step and a condition, for `after`."""

    step: Step
    when: When


class Ref(msgspec.Struct, frozen=True):
    """In the arguments of a step: the result of the step of this name."""

    name: str


Kind: TypeAlias = Literal["job", "map", "wait", "gate", "group"]
OnFailure: TypeAlias = Literal["finish", "cancel"]


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step with all that is known of it.

    Attributes:
        name: its name, unique in the workflow.
        kind: `job`, `map`, `wait`; `gate` and `group` are the beginning and the end of an included workflow.
        job: the fields of its job that are not the default. Placeholders stand for results of other steps.
        exact: whether the job was made from its function, so that nothing is added where it is pushed.
        after: the steps before it, with their conditions.
        scope: the name of the group that it belongs to.
        delay_s: seconds between the moment at which it could be pushed and the one at which it may start.
        timeout_s: how long a signal is waited for.
        over: for a map: the step whose result is the list, or …
        items: … the list.
        argument: for a map: the argument that gets the item; None: each item is a dict of arguments.
        max_in_flight: for a map: how many of its jobs may be live at a time.
        on_failure: for a group: that of the included workflow.
        result: for a group: the step whose result is its own.
    """

    name: str
    kind: Kind = "job"
    job: dict[str, Any] | None = None
    exact: bool = False
    after: dict[str, When] = {}
    scope: str | None = None
    delay_s: float | None = None
    timeout_s: float | None = None
    over: str | None = None
    items: list[Any] | None = None
    argument: str | None = None
    max_in_flight: int | None = None
    on_failure: OnFailure = "finish"
    result: str | None = None


def check_name(name: object) -> str:
    """A step's name. Raises InvalidWorkflow."""
    check_text("The name of a step", name, most=NAME_MOST, error=InvalidWorkflow)
    found = str(name)
    if any(sign in found for sign in RESERVED):
        raise InvalidWorkflow(
            f"The step {found!r} has one of the signs {RESERVED} in its name, which name steps of included workflows "
            "and parts of a map: leave them out."
        )
    return found


def check_path(name: object) -> str:
    """The name of a step that may be inside included workflows: each part of it is a name. Raises InvalidWorkflow."""
    check_text("The name of a step", name, most=PATH_MOST, error=InvalidWorkflow)
    found = str(name)
    for part in found.removesuffix(f"/{BEGIN}").split("/"):
        check_name(part)
    return found


_DEFAULTS: Final = msgspec.to_builtins(Job("a.b"))


def written(job: Job, name: str) -> dict[str, Any]:
    """The fields of a job that are not the default, as JSON has them.

    Args:
        job: the job; its arguments may have a `Ref` at any depth.
        name: the step, for errors.

    Raises:
        InvalidWorkflow: an argument, or what is in `meta`, is no JSON.
    """
    kwargs = {key: _plain(value, job) for key, value in job.kwargs.items()}
    fields = msgspec.to_builtins(_without(job), str_keys=True)
    found = {key: value for key, value in fields.items() if value != _DEFAULTS[key] or key == "func"}
    check_json(f"The step {name!r}: meta", dict(job.meta), error=InvalidWorkflow)
    check_json(f"The step {name!r}: kwargs", kwargs, error=InvalidWorkflow)
    if job.meta:
        found["meta"] = dict(job.meta)
    if kwargs:
        found["kwargs"] = kwargs
    return found


def made(fields: Mapping[str, Any], *, exact: bool) -> Job:
    """The job of such fields. Raises InvalidJob, or a ValidationError of msgspec, if that is none."""
    job = msgspec.convert(dict(fields), Job)
    return job.as_is() if exact else job


def filled(value: Any, results: Mapping[Any, Any]) -> Any:
    """Arguments with results in the place of their placeholders."""
    if isinstance(value, dict):
        if len(value) == 1 and PLACEHOLDER in value:
            return results[value[PLACEHOLDER]]
        return {key: filled(item, results) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, results) for item in value]
    return value


def named_in(value: Any) -> Iterable[Any]:
    """The steps whose results stand in arguments."""
    if isinstance(value, dict):
        if len(value) == 1 and PLACEHOLDER in value:
            yield value[PLACEHOLDER]
            return
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from named_in(item)


def renamed(value: Any, names: Mapping[str, Any]) -> Any:
    """Arguments whose placeholders name other steps."""
    return filled(value, {old: {PLACEHOLDER: new} for old, new in names.items()})


def _without(job: Job) -> Job:
    """The job without what others have put into it; that is looked at by itself."""
    return msgspec.structs.replace(job, kwargs={}, meta={})


def _plain(value: Any, job: Job) -> Any:
    """What JSON has of an argument."""
    if isinstance(value, Ref):
        return {PLACEHOLDER: value.name}
    if isinstance(value, Mapping):
        if len(value) == 1 and PLACEHOLDER in value:
            raise InvalidWorkflow(
                f"An argument of {job.func} is {{{PLACEHOLDER!r}: …}}, which stands for the result of a step: give "
                "the step itself, or the dict another key."
            )
        return {key: _plain(item, job) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, job) for item in value]
    return _typed(value) if job.json == "typed" else value


def _typed(value: Any) -> Any:
    try:
        return msgspec.to_builtins(value, str_keys=True, enc_hook=_dumped)
    except (TypeError, ValueError, RecursionError):
        return value


def _dumped(value: Any) -> Any:
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError
