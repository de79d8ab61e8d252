"""What a worker's process does before it claims: `--preload` and `--setup`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from typing import Any

from chancy_core.errors import ChancyError
from chancy_core.log import log


class CannotBegin(ChancyError):  # noqa: N818 -- as the other errors are named
    """What `--preload` or `--setup` names cannot be imported, or failed."""


def preload(modules: Sequence[str]) -> None:
    """Import modules, so that the first job need not wait for them. Raises CannotBegin."""
    for name in modules:
        _import(name, option="--preload")
    if modules:
        log.info("modules_preloaded", modules=list(modules))


async def set_up(functions: Sequence[str]) -> None:
    """Call functions, one after the other, and await what has to be awaited. Raises CannotBegin.

    Args:
        functions: each as `module:function`.
    """
    for name in functions:
        function = _function(name)
        try:
            returned = function()
            if inspect.isawaitable(returned):
                await returned
        except Exception as error:
            raise CannotBegin(f"--setup {name} failed: {type(error).__name__}: {error}") from error
        log.info("set_up", function=name)


def _function(name: str) -> Any:
    module, _, path = name.partition(":")
    if not module or not path:
        raise CannotBegin(f"--setup is {name!r:.100}: give module:function, such as app.start:setup.")
    found: Any = _import(module, option="--setup")
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise CannotBegin(f"--setup {name}: {module} has no {path!r}.") from None
    if not callable(found):
        raise CannotBegin(f"--setup {name} is of the type {type(found).__name__}, and cannot be called.")
    return found


def _import(module: str, *, option: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:
        text = str(error) or "no reason was given"
        raise CannotBegin(f"{option} {module} does not import: {type(error).__name__}: {text}") from error
