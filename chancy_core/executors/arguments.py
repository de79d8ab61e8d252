"""The arguments of a job whose `json` is "typed": made of its JSON, as its function annotates them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, get_args, get_origin

from chancy_core.errors import CannotRun
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.typed import made_of

# So many functions are kept in mind, with what their parameters are annotated with.
KEPT: Final = 1024
_VALUE_SHOWN: Final = 80


class _Unreadable:
    """An annotation that cannot be read here: why, as the end of a sentence."""

    def __init__(self, annotation: Any, problem: str) -> None:
        self.annotation = annotation
        self.problem = problem


def arguments_of(job: QueuedJob, call: Callable[..., Any]) -> dict[str, Any]:
    """The arguments for `call`. One whose parameter has no annotation is given as the JSON has it.

    Raises:
        CannotRun: one of them is not what it is annotated as: which one, what it is, and what it should be.
    """
    try:
        types = _types_of(call)
    except TypeError:
        # An object that has no hash.
        types = _types_of.__wrapped__(call)
    made: dict[str, Any] = {}
    for name, value in job.kwargs.items():
        type_ = types.get(name, types.get("**", Any))
        if type_ is Any:
            made[name] = value
            continue
        if isinstance(type_, _Unreadable):
            raise CannotRun(
                f"{job.func} annotates {name} with {type_.annotation!r}, which cannot be read where it runs, so that "
                f"nothing can be made of the job's JSON (json='typed'): {type_.problem}. Import what it names, and not "
                "for type checkers only."
            )
        try:
            made[name] = made_of(value, type_)
        except Exception as error:
            raise CannotRun(_mismatch(job, name, value, type_, error)) from error
    return made


def _mismatch(job: QueuedJob, name: str, value: Any, type_: Any, error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return (
        f"{job.func} cannot be given {name}={value!r:.{_VALUE_SHOWN}}, because that is no {_named(type_)}, as which it "
        f"is annotated (json='typed'): {text}."
    )


def _named(type_: Any) -> str:
    return type_.__qualname__ if isinstance(type_, type) and get_origin(type_) is None else str(type_)


# By the function: looking at annotations takes longer than most jobs.
@lru_cache(KEPT)
def _types_of(call: Callable[..., Any]) -> dict[str, Any]:
    """What each parameter is annotated with; under `**`, what every further one is."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        # Some functions written in C do not tell.
        return {}
    found: dict[str, Any] = {}
    for parameter in parameters:
        annotation = Any if parameter.annotation is parameter.empty else _read(parameter.annotation, call)
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(_further(annotation))
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            found[parameter.name] = annotation
    return found


def _further(annotation: Any) -> dict[str, Any]:
    """What `**kwargs` says of further arguments: one type for all of them, or those of an unpacked `TypedDict`."""
    if get_origin(annotation) is typing.Unpack:
        (typed_dict,) = get_args(annotation)
        return {name: _read(hint, typed_dict) for name, hint in _hints(typed_dict).items()}
    return {"**": annotation}


def _hints(typed_dict: Any) -> dict[str, Any]:
    return typing.get_type_hints(typed_dict)


def _read(annotation: Any, home: Any) -> Any:
    """An annotation as an object, with the names in it looked up where the function, or the class, is defined."""
    unwrapped = inspect.unwrap(home)
    if not hasattr(unwrapped, "__globals__") and callable(unwrapped):
        # A class, or an object that can be called.
        unwrapped = inspect.unwrap(getattr(unwrapped, "__init__" if isinstance(unwrapped, type) else "__call__"))
    names = getattr(unwrapped, "__globals__", {})
    holder = type("Annotated", (), {"__annotations__": {"it": annotation}})
    try:
        return typing.get_type_hints(holder, names, include_extras=True)["it"]
    except Exception as error:  # noqa: BLE001 -- an annotation is an expression like any other
        return _Unreadable(annotation, f"{type(error).__name__}: {error}")
