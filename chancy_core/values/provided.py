"""Resources of jobs: what a function says of where some of its arguments come from."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, get_args

from chancy_core.errors import InvalidJob
from chancy_core.values.fields import shown


class Provider:
    """What `provides` makes of a function: it says how a resource is set up and torn down.

    Attributes:
        call: the function.
        name: its name, for errors and logs.
        is_async: whether it is awaited.
        yields: whether it yields the resource, and tears it down afterwards; otherwise it returns it.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call: Final = call
        self.name: Final = f"{call.__module__}.{call.__qualname__}"
        self.yields: Final = inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call)
        self.is_async: Final = inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
        self.__doc__ = call.__doc__

    def __repr__(self) -> str:
        return f"<provides {self.name}>"


def provides(call: Callable[[], Any]) -> Provider:
    """Let a function provide a resource of jobs, such as a pool of connections or a client.

    ```python
    @provides
    async def http() -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient() as client:
            yield client

    @job
    async def fetch(*, url: str, client: Annotated[httpx.AsyncClient, http]) -> int:
        return (await client.get(url)).status_code
    ```

    A worker sets it up when the first job needs it, gives it to every job that names it, and tears it down when it
    stops; each child process has its own.

    Args:
        call: a function without parameters that yields the resource once, or returns it; `def` or `async def`.

    Raises:
        InvalidJob: it is no such function.
    """
    if not inspect.isfunction(call):
        raise InvalidJob(f"provides({shown(call)}): give a function that yields the resource, or returns it.")
    needed = [p.name for p in inspect.signature(call).parameters.values() if p.default is p.empty]
    if needed:
        raise InvalidJob(
            f"{call.__qualname__} is to provide a resource and needs {', '.join(needed)}: nobody gives it arguments. "
            "Let it read its settings itself."
        )
    return Provider(call)


def provider_in(annotation: Any, names: dict[str, Any]) -> Provider | None:
    """The provider in an annotation such as `Annotated[Client, http]`, or in its text; `names` are those it has.

    It may stand behind an alias, and beside `None`.
    """
    return _found_in(annotation, names, {})


def _found_in(annotation: Any, names: dict[str, Any], seen: dict[int, Any]) -> Provider | None:
    line = [annotation]
    while line:
        one = line.pop(0)
        if id(one) in seen:
            # An alias may name itself.
            continue
        seen[id(one)] = one
        origin = typing.get_origin(one)
        if isinstance(one, str):
            try:
                # As `typing.get_type_hints` does.
                line.append(eval(one, names))  # noqa: S307
            except Exception:  # noqa: BLE001 -- the type may be imported for type checkers only: what provides it is not
                if (found := _by_its_name(one, names, seen)) is not None:
                    return found
        elif origin is typing.Annotated:
            type_, *beside = get_args(one)
            if (found := next((each for each in beside if isinstance(each, Provider)), None)) is not None:
                return found
            line.append(type_)
        else:
            line.extend(_within(one, origin))
    return None


def _within(annotation: Any, origin: Any) -> Iterable[Any]:
    """What else is to be looked at: the members of a union, and what an alias or a text stands for."""
    if origin in _UNIONS:
        return get_args(annotation)
    if isinstance(annotation, typing.ForwardRef):
        return (annotation.__forward_arg__,)
    alias = origin or annotation
    if type(alias).__name__ == "TypeAliasType":
        # What `type Pool = ...` makes. It is evaluated only now, and may name what type checkers alone import.
        with suppress(Exception):
            return (alias.__value__,)
    return ()


_UNIONS: Final = (typing.Union, types.UnionType)
_MAY_HAVE_ONE: Final = re.compile(r"\bAnnotated\s*\[")
_WORDS: Final = re.compile(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def _by_its_name(annotation: str, names: dict[str, Any], seen: dict[int, Any]) -> Provider | None:
    """The same in a text that cannot be evaluated: by the names of providers, and of aliases, in it."""
    for path in _WORDS.findall(annotation):
        first, *rest = path.split(".")
        # Whatever has these names may do anything when it is looked at.
        with suppress(Exception):
            named = names.get(first)
            for name in rest:
                named = getattr(named, name, None)
            if isinstance(named, Provider) and _MAY_HAVE_ONE.search(annotation):
                return named
            if not isinstance(named, str) and (found := _found_in(named, names, seen)) is not None:
                return found
    return None
