"""From a function to the name under which a worker imports it."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Coroutine
from types import MethodType, ModuleType
from typing import Any, Final

from chancy_core.errors import InvalidJob
from chancy_core.values.fields import shown

_MISSING: Final = object()
_WORKER: Final = "chancy_core.worker"
_AS_TEXT: Final = "or name what a worker is to call as text: Job.from_func('package.module.function')."


def name_of(func: Callable[..., Any]) -> str:
    """The dotted name that leads a worker to `func` itself, and to nothing else.

    Warns:
        UserWarning: as `importable_name`.

    Raises:
        InvalidJob: as `importable_name`; or what stands under its name is another object.
    """
    path = importable_name(func, stacklevel=4)
    check_leads_back(func)
    return path


def check_leads_back(func: Callable[..., Any]) -> None:
    """Raise InvalidJob unless the name of `func` leads a worker to `func` itself."""
    module_name, name = _place(func)
    path = f"{module_name}.{name}"
    module = sys.modules.get(module_name)
    found: Any = _MISSING if module is None else module
    for part in name.split("."):
        found = getattr(found, part, _MISSING)
    if found is _MISSING:
        if module is not None and _goes_on(module):
            return
        raise InvalidJob(f"{func!r} is called {path}, and there is no such thing: put it there, {_AS_TEXT}")
    # A class method is made anew whenever it is looked up.
    if found is func or (isinstance(found, MethodType) and found == func):
        return
    raise InvalidJob(
        f"{func!r} is called {path}, but there a worker finds another object, {found!r}, and would call that: give "
        f"that one if it is meant, give the function a name of its own, {_AS_TEXT}"
    )


def _goes_on(module: ModuleType) -> bool:
    """Whether the module is being executed, so that its names may come to be yet."""
    spec = getattr(module, "__spec__", None)
    return module.__name__ == "__main__" or bool(getattr(spec, "_initializing", False))


def _runs_its_jobs() -> bool:
    """Whether the script that was started has imported `Worker`, and runs its jobs itself. Many plugins import it."""
    worker = getattr(sys.modules.get(_WORKER), "Worker", None)
    return worker is not None and any(value is worker for value in vars(sys.modules["__main__"]).values())


def importable_name(func: Callable[..., Any], stacklevel: int = 3) -> str:
    """The dotted name under which a worker can import `func`. What stands there is not looked at: see `name_of`.

    Args:
        func: the function.
        stacklevel: whose line the warning shows.

    Warns:
        UserWarning: the function is in `__main__`, which is another module in another process, and has not imported
            `Worker`.

    Raises:
        InvalidJob: it has no such name.
    """
    module, name = _place(func)
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
    if module == "__main__" and not _runs_its_jobs():
        warnings.warn(
            f"{name} is defined in __main__: only a worker started by the same script can import "
            "it. Move it to a module of its own to run it elsewhere.",
            UserWarning,
            stacklevel=stacklevel,
        )
    return f"{module}.{name}"


def _place(func: Callable[..., Any]) -> tuple[str, str]:
    """The module of a function, and its name there. Raises InvalidJob."""
    owner = getattr(func, "__self__", None)
    if isinstance(func, MethodType) and isinstance(owner, type):
        # It goes by the class that it is called on, which may have inherited it from another.
        return owner.__module__, f"{owner.__qualname__}.{func.__name__}"
    name = getattr(func, "__qualname__", None)
    module = getattr(func, "__module__", None)
    if name is None or module is None or not callable(func) or isinstance(func, staticmethod):
        raise InvalidJob(f"{shown(func)} has no importable name: {_cure(func)}")
    return module, name


def _cure(func: object) -> str:
    if isinstance(func, Coroutine):
        return "give the function itself, which is called here already, and put its arguments into the job's kwargs."
    if hasattr(func, "with_kwargs"):
        return "this is a job, which can be pushed as it is."
    if isinstance(func, functools.partial):
        return "give the function in it, and put its arguments into the job's kwargs."
    if isinstance(func, classmethod | staticmethod):
        return f"put @job() below @{type(func).__name__}, next to the function."
    if callable(func):
        return f"give a function defined at the top of a module, {_AS_TEXT}"
    return "give a function defined at the top of a module."
