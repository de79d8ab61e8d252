"""Plugins that a test makes where it needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from chancy_core.hookspecs import hookimpl
from chancy_core.plugins import Plugin
from chancy_core.values.job import Job

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


def plugin(name: str = "p", fields: dict[str, Any] | None = None, **hooks: Callable[..., Any]) -> Plugin:
    """An instance of a new plugin class with these hooks."""
    marked = {hook: hookimpl(call) for hook, call in hooks.items()}
    annotations = {key: type(value) for key, value in (fields or {}).items()}
    cls = type(
        "Made",
        (Plugin,),
        {"name": name, "__annotations__": {"name": ClassVar[str], **annotations}, **(fields or {}), **marked},
    )
    made: Plugin = cls(**(fields or {}))
    return made
