"""What authors of plugins get wrong, and nothing would tell: each with what to write instead."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from types import FunctionType, MemberDescriptorType
from typing import Any, Final

import msgspec

from chancy_core.plugins.base import Plugin
from chancy_core.plugins.settings import time_problems

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")
# Owns the kernel's migrations.
RESERVED: Final = "kernel"
# What a class may set without an annotation, because the base has annotated it.
OF_THE_BASE: Final = frozenset(Plugin.__annotations__) - frozenset(Plugin.__struct_fields__)


def name_problem(cls: type[Plugin]) -> str | None:
    """What is wrong with a plugin's name, as a sentence; None: nothing."""
    if "name" in cls.__struct_fields__:
        return 'its name is annotated, which makes it a setting: write `name = "…"`, without an annotation.'
    name = getattr(cls, "name", None)
    if name is None:
        return 'it has no name: write `name = "…"` in the class.'
    if not isinstance(name, str) or not NAME.fullmatch(name) or name == RESERVED:
        return (
            f"its name is {name!r}: give 1 to 50 letters, digits, underscores or dashes, beginning with a letter, and "
            f"not {RESERVED!r}."
        )
    return None


def class_problems(plugin: Plugin, hooks: Collection[str], is_marked: Callable[[Any], bool]) -> Iterator[str]:
    """What is wrong with a plugin beside its hooks, a sentence each.

    Args:
        plugin: the plugin.
        hooks: the names of all hooks.
        is_marked: whether a function has been marked by `hookimpl`.
    """
    if "enabled" in plugin.__struct_fields__:
        yield "it has a setting `enabled`, which is the kernel's word in every table: take another name."
    for cls in type(plugin).__mro__[: type(plugin).__mro__.index(Plugin)]:
        if issubclass(cls, Plugin):
            yield from _settings_without_types(cls)
        yield from _unmarked(cls, hooks, is_marked)
    yield from time_problems(plugin)
    yield from _never_ticks(plugin)


def _settings_without_types(cls: type[Plugin]) -> Iterator[str]:
    annotated = inspect.get_annotations(cls)
    for name, value in vars(cls).items():
        if name.startswith("_") or name.isupper() or name in annotated or name in OF_THE_BASE:
            continue
        if isinstance(value, type | MemberDescriptorType) or hasattr(value, "__get__"):
            continue
        kind = "float | None" if name == "interval" else type(value).__name__
        yield (
            f"`{name} = {value!r:.60}` in {cls.__qualname__} has no annotation, so it is no setting: write `{name}: "
            f"{kind} = {value!r:.60}`; or `ClassVar[{kind}]`, if nobody is to change it."
        )


def _unmarked(cls: type, hooks: Collection[str], is_marked: Callable[[Any], bool]) -> Iterator[str]:
    for name in sorted(vars(cls).keys() & set(hooks)):
        found = vars(cls)[name]
        if isinstance(found, staticmethod | classmethod):
            if not is_marked(found.__func__):
                yield f"{name} is a {type(found).__name__} whose mark does not count: put `@hookimpl` right above def."
        elif isinstance(found, FunctionType) and not is_marked(found):
            yield (
                f"{name} is named like a hook and not marked, so it is never called: put `@hookimpl` above it, or "
                "rename it."
            )
        elif not callable(found):
            yield f"{name} is named like a hook, and is a {type(found).__name__}: make it a method, or rename it."


def _never_ticks(plugin: Plugin) -> Iterator[str]:
    if plugin.interval is not None or not hasattr(getattr(type(plugin), "on_tick", None), "chancy_impl"):
        return
    # Whoever sets it to None in code, although the class has another, wants no ticks.
    if default_of(type(plugin), "interval") is None:
        yield "on_tick is never called, because interval is None: write `interval: float | None = 60.0`, in seconds."


def default_of(cls: type[Plugin], name: str) -> Any:
    """The default of a setting; `msgspec.NODEFAULT` if it has none."""
    defaults = dict(zip(reversed(cls.__struct_fields__), reversed(cls.__struct_defaults__), strict=False))
    return defaults.get(name, msgspec.NODEFAULT)
