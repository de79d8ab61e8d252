"""What arguments a function takes, and what to say of a job that gives it others: asked at the push and at the run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, Final, NamedTuple, get_args

from chancy_core.errors import nearest
from chancy_core.values.provided import Provider, provider_in
from chancy_core.values.queuedjob import QueuedJob

# What stands in an annotation that can only be read as text.
CONTEXT_NAMES: Final = frozenset({"QueuedJob", "JobContext"})
# A signature is shown with an error; a page of it helps nobody.
_SHOWN_MAX: Final = 300


class Signature(NamedTuple):
    """What a function takes by name.

    Attributes:
        required: the names of arguments it cannot do without.
        accepted: the names it takes; None if it takes any.
        context: the names of the parameters that receive the run's `JobContext`.
        positional: the names of those that it cannot do without, and takes by position only: no job can give them.
        shown: how it is written, as in `(*, to: str)`; empty if it does not tell.
        provided: the names of the parameters that receive a resource, and what provides it.
    """

    required: frozenset[str] = frozenset()
    accepted: frozenset[str] | None = None
    context: frozenset[str] = frozenset()
    positional: tuple[str, ...] = ()
    shown: str = ""
    provided: Mapping[str, Provider] = {}

    def fits(self, kwargs: Mapping[str, Any]) -> bool:
        """Whether it can be called with these."""
        given = kwargs.keys()
        return (
            self.required <= given
            and (self.accepted is None or given <= self.accepted)
            and not (self.context and not self.context.isdisjoint(given))
            and not (self.provided and not given.isdisjoint(self.provided))
            and not self.positional
        )


_UNTOLD: Final = Signature()


def signature_of(call: Callable[..., Any]) -> Signature:
    """What `call` itself takes. Of a decorated function that is what the decorator takes, which may give arguments.

    When in doubt it takes anything: whoever is called finds out.
    """
    if _is_proxy(call):
        # It reads like what is behind it, and may give that other arguments than it takes.
        return _UNTOLD
    try:
        parameters = inspect.signature(_own(call), follow_wrapped=False).parameters.values()
        innermost = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        # Some functions written in C do not tell; they find out themselves.
        return _UNTOLD
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = {p.name for p in parameters}
    context = frozenset(
        p.name
        for p in innermost
        if p.kind is p.KEYWORD_ONLY and (takes_any or p.name in named) and _is_context(p.annotation, call)
    )
    provided = {
        p.name: found
        for p in innermost
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and (takes_any or p.name in named)
        if p.annotation is not p.empty
        if (found := provider_in(p.annotation, getattr(inspect.unwrap(call), "__globals__", {}))) is not None
    }
    by_name = {
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in context and p.name not in provided
    }
    return Signature(
        frozenset(p.name for p in by_name if p.default is p.empty),
        None if takes_any else frozenset(p.name for p in by_name),
        context,
        tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty),
        _shown(parameters),
        provided,
    )


def _is_proxy(call: Any) -> bool:
    """Whether an object only says that it is a function."""
    return isinstance(call, FunctionType) and type(call) is not FunctionType


def _own(call: Any) -> Any:
    """The function without a `__signature__` that a decorator may have copied from the one that it calls."""
    if type(call) is not FunctionType or "__signature__" not in call.__dict__:
        return call
    own = FunctionType(call.__code__, call.__globals__, call.__name__, call.__defaults__, call.__closure__)
    own.__kwdefaults__ = call.__kwdefaults__
    own.__annotations__ = call.__annotations__
    return own


def _shown(parameters: Iterable[inspect.Parameter]) -> str:
    try:
        text = str(inspect.Signature(list(parameters)))
    except Exception:  # noqa: BLE001 -- a default, or an annotation, may have a repr of its own
        return ""
    # Annotations of a module that does not evaluate them are texts.
    text = re.sub(r": '([^']*)'", r": \1", text)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]} …"


def _is_context(annotation: Any, call: Callable[..., Any]) -> bool:
    """Whether a parameter's annotation is `QueuedJob`, `JobContext`, or one of them and None; text included."""
    if isinstance(annotation, str):
        names = getattr(inspect.unwrap(call), "__globals__", {})
        try:
            # An annotation is an expression of the function's own module, evaluated as `typing.get_type_hints` does.
            annotation = eval(annotation, names)  # noqa: S307
        except Exception:  # noqa: BLE001 -- imported only for type checkers
            return any(word in CONTEXT_NAMES for word in re.findall(r"\w+", annotation))
    return any(isinstance(one, type) and issubclass(one, QueuedJob) for one in (get_args(annotation) or [annotation]))


def misfit(func: str, signature: Signature, kwargs: Mapping[str, Any]) -> str | None:
    """Why a function cannot be called with these arguments, and what it takes; None if it can.

    Args:
        func: its name.
        signature: what it takes.
        kwargs: the arguments of a job.
    """
    if signature.fits(kwargs):
        return None
    shown = f" It is {func.rpartition('.')[2]}{signature.shown}." if signature.shown else ""
    if signature.positional:
        return (
            f"{func} has arguments that can only be given by position ({', '.join(signature.positional)}): a job gives "
            f"its arguments by name.{shown}"
        )
    problems = []
    reserved = sorted(signature.context & kwargs.keys())
    if reserved:
        problems.append(f"its parameter {', '.join(reserved)} receives the run's JobContext, and no kwarg may")
    given = sorted(signature.provided.keys() & kwargs.keys())
    if given:
        problems.append(f"its parameter {', '.join(given)} receives a resource of the worker, and no kwarg may")
    missing = sorted(signature.required - kwargs.keys())
    if missing:
        problems.append(f"it needs {', '.join(missing)}, which the job's kwargs lack")
    if "self" in missing:
        problems.append("it is a method, and a job has no object to call it on: make it a @staticmethod, or a function")
    if signature.accepted is not None:
        problems.extend(
            f"it does not take {name}.{nearest(name, signature.accepted)}".rstrip(".")
            for name in sorted(kwargs.keys() - signature.accepted - signature.context - signature.provided.keys())
        )
    return f"{func} does not take these kwargs: {'; '.join(problems)}.{shown}".replace("?.", "?")
