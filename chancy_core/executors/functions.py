"""From a job's `func` to the function, checked before it is called."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, get_args

from chancy_core.errors import CannotRun, CannotRunHere, InvalidJob, nearest
from chancy_core.executors.allowed import AllowList
from chancy_core.values.fields import check_func
from chancy_core.values.job import Job
from chancy_core.values.queuedjob import QueuedJob

# What stands in an annotation that can only be read as text.
CONTEXT_NAMES: Final = frozenset({"QueuedJob", "JobContext"})


class Function(NamedTuple):
    """A function, and what has to be known to call it.

    Attributes:
        call: the function itself.
        is_async: whether calling it returns a coroutine.
        required: the names of arguments it cannot do without.
        accepted: the names it takes; None if it takes any.
        context: the names of the parameters that receive the run's `JobContext`.
    """

    call: Callable[..., Any]
    is_async: bool
    required: frozenset[str]
    accepted: frozenset[str] | None
    context: frozenset[str] = frozenset()


class Functions:
    """Finds functions by their importable names, and remembers them.

    Args:
        allowed: patterns of names that may be run, where `*` stands for any characters; None: any. What they name has
            to live where they say, too: see `AllowList`.

    Attributes:
        allowed: these patterns.
    """

    def __init__(self, allowed: Sequence[str] | None = None) -> None:
        self.allowed: Final = None if allowed is None else tuple(allowed)
        self._allow_list: Final = None if allowed is None else AllowList(allowed)
        self._found: dict[str, Function] = {}

    def find(self, job: Job) -> Function:
        """The function of `job`, which takes the job's arguments.

        Raises:
            CannotRunHere: it may not be run here, does not import, or is not callable.
            CannotRun: it does not take them.
        """
        function = self.find_known(job)
        if function is None:
            self.load(job.func)
            function = self.find_known(job)
            assert function is not None  # noqa: S101 -- it has been loaded
        return function

    def find_known(self, job: Job) -> Function | None:
        """As `find`, without importing anything: None if nobody has looked for it before.

        Raises:
            CannotRun: it does not take the job's arguments.
        """
        function = self._found.get(job.func)
        if function is None:
            return None
        given = job.kwargs.keys()
        if (
            not function.required <= given
            or not (function.accepted is None or given <= function.accepted)
            or (function.context and not function.context.isdisjoint(given))
        ):
            raise CannotRun(_mismatch(job, function))
        return function

    def at(self, path: str) -> Any:
        """The object with this importable name, which somebody has written into a job, or the options of a queue.

        Raises:
            CannotRunHere: it may not be run, or does not import.
        """
        return import_named(path, self._allow_list)

    def check_name(self, path: str) -> None:
        """Raise CannotRunHere if that name may not be run. Whether what it names may is seen when it is imported."""
        if self._allow_list is not None:
            self._allow_list.check_name(path)

    def check_module(self, name: str) -> None:
        """Raise CannotRunHere if nothing in that module may be run, so that it is not to be imported either."""
        if self._allow_list is not None:
            self._allow_list.check_module(name)

    def known(self, path: str) -> Function | None:
        """The function of that name, if it has been found before."""
        return self._found.get(path)

    def load(self, path: str) -> Function:
        """Import the function of that name, and remember it. Any thread may call it. Raises as `find`."""
        try:
            check_func(path)
        except InvalidJob as error:
            # Somebody wrote the row by hand. No worker has what cannot be a function's name.
            raise CannotRun(str(error)) from error
        # A module that was missing may have been deployed since.
        importlib.invalidate_caches()
        call = self.at(path)
        if not callable(call):
            raise CannotRunHere(f"{path} is not callable: it is a {type(call).__name__}.")
        function = self._found[path] = _described(path, call)
        return function


def import_named(path: str, allow_list: AllowList | None = None) -> Any:
    """The object with an importable name, `package.module.Class.method` included.

    Args:
        path: its name.
        allow_list: what may be named. None: anything, and through any module.

    Raises:
        CannotRunHere: it may not be run, or does not import; says which part, and why.
        CannotRun: it names no module, or the script of whoever pushed it.
    """
    if allow_list is not None:
        allow_list.check_name(path)
    module_name, _, rest = path.replace(":", ".").rpartition(".")
    names = [rest]
    while module_name:
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            # Only if it is this very module that is missing may the last part be a class in its parent.
            if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
                raise CannotRunHere(
                    f"{path} does not import: {module_name} needs {error.name!r}, which is missing."
                ) from error
            module_name, _, name = module_name.rpartition(".")
            names.insert(0, name)
            continue
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise CannotRunHere(
                f"{path} does not import: {module_name} raised {type(error).__name__}: {error}"
            ) from error
        found = _attribute(path, module, names, allow_list)
        if allow_list is not None:
            allow_list.check_home(path, module_name, found)
        return found
    raise _no_module(path)


def _no_module(path: str) -> CannotRun | CannotRunHere:
    module = path.replace(":", ".").rpartition(".")[0]
    if not module:
        return CannotRun(f"{path!r} names no module: the name of a function is 'package.module.function'.")
    if module == "__main__":
        return CannotRun(f"{path} is in the script that pushed it, which this worker is not: move it to a module.")
    return CannotRunHere(f"{path} does not import: there is no module {module!r} in this worker's environment.")


def _attribute(path: str, module: Any, names: list[str], allow_list: AllowList | None) -> Any:
    found = module
    for number, name in enumerate(names):
        if allow_list is not None:
            allow_list.check_step(path, found if number else None, name)
        try:
            found = getattr(found, name)
        except AttributeError:
            if module is sys.modules.get("__main__"):
                raise CannotRun(
                    f"{path} is in the script that pushed it, which this worker is not: move it to a module."
                ) from None
            where = getattr(found, "__name__", path)
            raise CannotRunHere(
                f"{path} does not import: {where} has no {name!r}.{nearest(name, _public(found))}"
            ) from None
    return found


def _public(found: Any) -> list[str]:
    return [name for name in dir(found) if not name.startswith("_") and callable(getattr(found, name, None))]


def _described(path: str, call: Callable[..., Any]) -> Function:
    is_async = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(type(call), "__call__", None))  # noqa: B004
    try:
        # Of a decorated function it is the decorator's that counts: it may give arguments itself, or take others.
        parameters = inspect.signature(call, follow_wrapped=False).parameters.values()
        innermost = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        # Some functions written in C do not tell; they find out themselves.
        return Function(call, is_async, frozenset(), None)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = {p.name for p in parameters}
    context = frozenset(
        p.name
        for p in innermost
        if p.kind is p.KEYWORD_ONLY and (takes_any or p.name in named) and _is_context(p.annotation, call)
    )
    by_name = {p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in context}
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if positional:
        raise CannotRun(
            f"{path} has arguments that can only be given by position ({', '.join(positional)}): a job gives "
            "its arguments by name."
        )
    return Function(
        call,
        is_async,
        frozenset(p.name for p in by_name if p.default is p.empty),
        None if takes_any else frozenset(p.name for p in by_name),
        context,
    )


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


def _mismatch(job: Job, function: Function) -> str:
    problems = []
    reserved = sorted(function.context & job.kwargs.keys())
    if reserved:
        problems.append(f"its parameter {', '.join(reserved)} receives the run's JobContext, and no kwarg may")
    missing = sorted(function.required - job.kwargs.keys())
    if missing:
        problems.append(f"it needs {', '.join(missing)}, which the job's kwargs lack")
    if function.accepted is not None:
        extra = sorted(job.kwargs.keys() - function.accepted - function.context)
        if extra:
            known = ", ".join(sorted(function.accepted)) or "nothing"
            problems.append(f"it does not take {', '.join(extra)} (it takes {known})")
    return f"{job.func} does not take these kwargs: {'; '.join(problems)}."
