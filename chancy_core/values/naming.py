"""From a function to the name under which a worker imports it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from chancy_core.errors import InvalidJob


def importable_name(func: Callable[..., Any]) -> str:
    """The dotted name under which a worker can import `func`.

    Warns:
        UserWarning: the function is in `__main__`, which is another module in another process.

    Raises:
        InvalidJob: it has no such name.
    """
    name = getattr(func, "__qualname__", None)
    module = getattr(func, "__module__", None)
    if name is None or module is None or not callable(func):
        raise InvalidJob(f"{func!r} has no importable name: give a function defined at the top of a module.")
    if "<lambda>" in name:
        raise InvalidJob(
            f"A lambda in {module} cannot be imported by a worker: give it a name with `def`, at the top of a module."
        )
    if "<locals>" in name:
        raise InvalidJob(
            f"{module}.{name} is defined inside a function, so a worker cannot import it: move it "
            "to the top of the module."
        )
    owner = getattr(func, "__self__", None)
    if owner is not None and not isinstance(owner, type | ModuleType):
        raise InvalidJob(
            f"{module}.{name} is bound to an object, which a worker does not have: give a plain "
            "function and pass what it needs in kwargs."
        )
    if module == "__main__":
        warnings.warn(
            f"{name} is defined in __main__: only a worker started by the same script can import "
            "it. Move it to a module of its own to run it elsewhere.",
            UserWarning,
            stacklevel=3,
        )
    return f"{module}.{name}"
