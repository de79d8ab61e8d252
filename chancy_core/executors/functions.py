"""From a job's `func` to the function, checked before it is called."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Collection, Sequence
from functools import singledispatch
from typing import Any, Final, NamedTuple

from chancy_core.errors import CannotRun, CannotRunHere, InvalidJob, nearest
from chancy_core.executors.allowed import AllowList
from chancy_core.executors.resources import Resources
from chancy_core.values.declared import Declared, declared_by
from chancy_core.values.fields import check_func
from chancy_core.values.job import Job
from chancy_core.values.known import completed, job_of
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.signature import Signature, misfit, signature_of


class Function(NamedTuple):
    """A function, and what has to be known to call it.

    Attributes:
        call: the function itself.
        is_async: whether calling it returns a coroutine.
        required: the names of arguments it cannot do without.
        accepted: the names it takes; None if it takes any.
        context: the names of the parameters that receive the run's `JobContext`.
        declared: what `@job` says of its runs, which holds for each job whose row does not say it; None if nothing.
        signature: all that is known of its arguments.
        injected: the names in `context`, and those of the parameters that receive a resource.
        resources: where it gets these from; None if it has none.
    """

    call: Callable[..., Any]
    is_async: bool
    required: frozenset[str]
    accepted: frozenset[str] | None
    context: frozenset[str] = frozenset()
    declared: Declared | None = None
    signature: Signature = Signature()
    injected: frozenset[str] = frozenset()
    resources: Resources | None = None


@singledispatch
def callable_of(found: Any) -> Any:
    """What a worker calls for what it found under a job's name: that itself, if it is a function.

    Other libraries have objects there that stand for a function, such as the tasks of Django. Whoever knows a kind of
    them says what is called instead, `callable_of.register(Kind, runner_of)`, before the first of them is looked for.
    So the job keeps the name that its author knows.
    """
    return found


def filled(job: QueuedJob, function: Function) -> tuple[QueuedJob, Declared | None]:
    """The job as it is to be run, and what was added of what its function declares; None if nothing was."""
    declared = function.declared
    if declared is None:
        return job, None
    found = declared.filled(job)
    return found, None if found is job else declared


class Functions:
    """Finds functions by their importable names, and remembers them.

    Args:
        allowed: patterns of names that may be run, where `*` stands for any characters; None: any. What they name has
            to live where they say, too: see `AllowList`.

    Attributes:
        allowed: these patterns.
        resources: what functions are given that name a resource.
    """

    def __init__(self, allowed: Sequence[str] | None = None) -> None:
        self.allowed: Final = None if allowed is None else tuple(allowed)
        self._allow_list: Final = None if allowed is None else AllowList(allowed)
        self._found: dict[str, Function] = {}
        self.resources: Final = Resources()

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
            or (function.injected and not function.injected.isdisjoint(given))
        ):
            raise CannotRun(misfit(job.func, function.signature, job.kwargs))
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

    def completed(self, job: Job, given: Collection[str] = ()) -> Job:
        """The job with what `@job` says of its function where the job itself says nothing. Imports the function.

        Args:
            job: a job that names its function, as in `Job(func="app.mail.send")`; one that was made from its function
                is complete.
            given: the fields that mean what they say, even if that is the default.

        Raises:
            CannotRunHere: as `find`.
            CannotRun: as `find`; the function does not take the job's arguments, or those that are declared, say.
        """
        function = self.known(job.func) or self.load(job.func)
        found = completed(job, job_of(function.call), given)
        self.find(found)
        return found

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
        function = self._found[path] = _described(path, call, self.resources)
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
        found = callable_of(_attribute(path, module, names, allow_list))
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
    return CannotRunHere(f"{path} does not import: there is no module {module!r} in this environment.")


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


def _described(path: str, call: Callable[..., Any], resources: Resources) -> Function:
    is_async = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(type(call), "__call__", None))  # noqa: B004
    signature = signature_of(call)
    if signature.positional:
        raise CannotRun(misfit(path, signature, {}))
    awaited = [provider.name for provider in signature.provided.values() if provider.is_async]
    if awaited and not is_async:
        raise CannotRun(
            f"{path} is a plain function and cannot be given {', '.join(awaited)}, which is set up by a coroutine: "
            "make the function `async def`, or let a plain function provide the resource."
        )
    return Function(
        call,
        is_async,
        signature.required,
        signature.accepted,
        signature.context,
        declared_by(job_of(call)),
        signature,
        signature.context | signature.provided.keys(),
        resources if signature.provided else None,
    )
