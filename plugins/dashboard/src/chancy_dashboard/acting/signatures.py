"""The fields of a function's arguments, where the function can be looked at in this process.

To import a module is to run it, and a name in a form is written by whoever may push. So what has been imported here
already is looked at, and of the rest only what `functions` allows: what the workers of this configuration would run.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, Final

import msgspec

from chancy import Chancy
from chancy.errors import CannotRun, CannotRunHere
from chancy.executors import Function, Functions

# A module that takes longer to import is not for a form.
WITHIN_S: Final = 5.0
CHOICES_MAX: Final = 50
_KINDS: Final = {int: "int", float: "float", str: "str", bool: "bool"}


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """One argument of a function, as a form asks for it.

    Attributes:
        name: its name.
        type: how it is annotated, for people; empty: it is not.
        kind: `int`, `float`, `str`, `bool`, `choice`, or `json` for all else.
        required: whether the function cannot do without.
        choices: for a choice, what it may be, as JSON has it.
        default: its default as text, for people.
    """

    name: str
    type: str
    kind: str
    required: bool
    choices: tuple[Any, ...] = ()
    default: str = ""


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a function here.

    Attributes:
        arguments: its arguments; None: it cannot be looked at, or takes anything.
        doc: the first line of its docstring.
        problem: why there are no fields, for people.
        forbidden: whether it may not be pushed at all.
    """

    arguments: tuple[Argument, ...] | None = None
    doc: str = ""
    problem: str = ""
    forbidden: bool = False


async def look_at(chancy: Chancy, func: str) -> Looked:
    """What is known of a function by its name."""
    allowed = chancy.settings.functions
    functions = Functions(allowed)
    try:
        functions.check_name(func)
    except CannotRunHere as error:
        return Looked(problem=str(error), forbidden=True)
    if not _is_imported(func) and allowed is None:
        return Looked(
            problem="Its module is not imported in the dashboard's process, and `functions` does not say which may be: "
            "write its arguments as JSON."
        )
    try:
        async with asyncio.timeout(WITHIN_S):
            found = await asyncio.to_thread(functions.load, func)
    except TimeoutError:
        return Looked(problem=f"Its module took more than {WITHIN_S:g} s to import: write its arguments as JSON.")
    except (CannotRun, CannotRunHere) as error:
        return Looked(problem=f"It cannot be looked at here: {error} Write its arguments as JSON.")
    return _looked(found)


def check_allowed(chancy: Chancy, func: str) -> None:
    """Raise CannotRunHere if `functions` does not allow a function of that name."""
    Functions(chancy.settings.functions).check_name(func)


def _is_imported(func: str) -> bool:
    """Whether a name can be followed without importing anything."""
    parts = func.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:end]))
        if found is None:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def _looked(found: Function) -> Looked:
    doc = (inspect.getdoc(found.call) or "").strip().partition("\n")[0]
    try:
        parameters = inspect.signature(found.call).parameters.values()
    except (TypeError, ValueError):
        return Looked(doc=doc, problem="It does not tell its arguments: write them as JSON.")
    if found.accepted is None:
        return Looked(doc=doc, problem="It takes any arguments: write them as JSON.")
    hints = _hints(found.call)
    arguments = [
        _argument(one, hints.get(one.name, one.annotation)) for one in parameters if one.name in found.accepted
    ]
    return Looked(arguments=tuple(arguments), doc=doc)


def _hints(call: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(call))
    except Exception:  # noqa: BLE001 -- an annotation may name anything
        return {}


def _argument(one: inspect.Parameter, hint: Any) -> Argument:
    kind, choices = _kind(hint)
    return Argument(
        name=one.name,
        type="" if hint is one.empty else hint if isinstance(hint, str) else inspect.formatannotation(hint),
        kind=kind,
        required=one.default is one.empty,
        choices=choices,
        default="" if one.default is one.empty else _default(one.default),
    )


def _default(value: Any) -> str:
    return (str(value.value) if isinstance(value, enum.Enum) else repr(value))[:60]


def _kind(hint: Any) -> tuple[str, tuple[Any, ...]]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        others = [one for one in typing.get_args(hint) if one is not type(None)]
        return _kind(others[0]) if len(others) == 1 else ("json", ())
    if typing.get_origin(hint) is typing.Literal:
        return "choice", typing.get_args(hint)[:CHOICES_MAX]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        values = tuple(one.value for one in hint)
        plain = all(isinstance(value, str | int | float) for value in values)
        return ("choice", values) if 0 < len(values) <= CHOICES_MAX and plain else ("json", ())
    return _KINDS.get(hint, "json") if isinstance(hint, type) else "json", ()
