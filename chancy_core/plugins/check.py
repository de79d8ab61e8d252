"""Check a plugin's hooks before anything calls them: every problem of every plugin, in one error."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any, Final

from chancy_core import hookspecs
from chancy_core.errors import nearest
from chancy_core.plugins.base import Plugin
from chancy_core.plugins.mistakes import class_problems
from chancy_core.values.queue import LIMITS

MARK: Final = f"{hookspecs.PROJECT}_impl"
SPECS: Final[dict[str, FunctionType]] = {
    name: found
    for name, found in vars(hookspecs).items()
    if isinstance(found, FunctionType) and hasattr(found, f"{hookspecs.PROJECT}_spec")
}


def implementations(plugin: object) -> dict[str, Any]:
    """The hooks that an object implements, by name."""
    found = {}
    for name in dir(type(plugin)):
        value = getattr(type(plugin), name, None)
        if callable(value) and hasattr(value, MARK):
            found[name] = getattr(plugin, name)
    return found


def problems(plugin: Plugin) -> Iterator[str]:
    """What is wrong with a plugin, a sentence each."""
    yield from class_problems(plugin, SPECS, lambda function: hasattr(function, MARK))
    for name, call in implementations(plugin).items():
        spec = SPECS.get(name)
        if spec is None:
            yield f"{_shown(name, call)} is no hook.{nearest(name, SPECS)}"
            continue
        if getattr(call, MARK).get("wrapper") or getattr(call, MARK).get("hookwrapper"):
            yield f"{_shown(name, call)} is a wrapper, which Chancy's hooks do not take."
        wanted = inspect.iscoroutinefunction(spec)
        if inspect.iscoroutinefunction(call) != wanted:
            yield f"{_shown(name, call)} must be {'`async def`' if wanted else '`def`, not `async def`'}."
        yield from _argument_problems(name, call, spec)
    yield from _limit_problems(plugin)


def _limit_problems(plugin: object) -> Iterator[str]:
    enforced: frozenset[str] = getattr(plugin, "enforces", frozenset())
    for name in sorted(set(enforced) - set(LIMITS)):
        yield f"enforces names {name!r}, which is no limit of a queue.{nearest(name, LIMITS)}"
    if enforced and "claim_budget" not in implementations(plugin):
        yield "enforces promises limits, and no claim_budget(queue, wanted, connection) keeps the promise."


def _argument_problems(name: str, call: Any, spec: FunctionType) -> Iterator[str]:
    known = list(inspect.signature(spec).parameters)
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield f"{_shown(name, call)}: name the arguments; there are {', '.join(known) or 'none'}."
        elif parameter.name not in known:
            yield f"{_shown(name, call)} has no argument {parameter.name!r}.{nearest(parameter.name, known)}"
        elif parameter.default is not parameter.empty:
            yield f"{_shown(name, call)}: {parameter.name} has a default, which is never used: remove it."


def _shown(name: str, call: Any) -> str:
    return f"{name}{inspect.signature(call)}"
