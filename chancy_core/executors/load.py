"""From a queue's `executor` to the executor, which may be anybody's: what is wrong with it is told with the cure."""

from __future__ import annotations

import inspect
from typing import Any, Final

from chancy_core.config.offers import offers
from chancy_core.errors import CannotRun, CannotRunHere, InvalidQueue, nearest
from chancy_core.executors.base import Executor, ExecutorSettings
from chancy_core.executors.functions import Functions, import_named
from chancy_core.values.job import Limit
from chancy_core.values.queue import EXECUTOR_GROUP, NOT_BUILT, Queue, executor_words, known_executor
from chancy_core.values.queue import Executor as Executors

# What a subclass may have instead of the base's own, and how it is called beside `self`.
_COROUTINES: Final = {"run": ("job",), "start": (), "close": ()}
_FUNCTIONS: Final = {"stop": ("job", "task", "reason"), "forget": ("job",)}


def load_executor(queue: Queue, settings: ExecutorSettings) -> Executor:
    """A new executor for a queue.

    Raises:
        InvalidQueue: there is no such class, it is no executor, it breaks the contract of `Executor`, or it does not
            take the queue's `executor_options`. Says which queue and executor, and what to do.
    """
    try:
        found = _found(str(queue.executor), settings.functions)
    except (CannotRun, CannotRunHere) as error:
        raise InvalidQueue(f"Queue {queue.name!r}: its executor cannot be used: {error}") from error
    who = f"Queue {queue.name!r}: its executor {queue.executor}"
    if not (isinstance(found, type) and issubclass(found, Executor)):
        raise InvalidQueue(
            f"{who} is not an executor: it must be a subclass of chancy.executors.Executor, and is {_kind(found)}."
        )
    problem = _problem_of(found)
    if problem is not None:
        raise InvalidQueue(f"{who} cannot be used: {problem}")
    _check_options(who, found, settings, queue.executor_options)
    try:
        executor = found(settings, **queue.executor_options)
    except TypeError as error:
        # One that hands its options on to another class has let everything in.
        what = "does not take" if "unexpected keyword argument" in str(error) else "could not be made with"
        options = queue.executor_options
        raise InvalidQueue(f"{who} {what} executor_options {options!r}: {type(error).__name__}: {error}.") from error
    except InvalidQueue as error:
        raise InvalidQueue(f"Queue {queue.name!r}, executor_options: {error}") from error
    if getattr(executor, "settings", None) is not settings:
        raise InvalidQueue(
            f"{who} cannot be used: its __init__ has not handed on the settings. Call super().__init__(settings) first."
        )
    return executor


def _problem_of(cls: type[Executor]) -> str | None:
    """What of the contract a subclass breaks, as the end of a sentence that says how to mend it; None: nothing."""
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        return f"it does not have {missing}. Write `async def run(self, job)`, which returns a Report."
    for name, arguments in (*_COROUTINES.items(), *_FUNCTIONS.items()):
        method = getattr(cls, name)
        must = "async def" if name in _COROUTINES else "def"
        if not callable(method) or inspect.iscoroutinefunction(inspect.unwrap(method)) != (name in _COROUTINES):
            return f"its {name} has to be `{must} {name}({', '.join(('self', *arguments))})`."
        try:
            inspect.signature(method).bind("self", *arguments)
        except TypeError:
            return (
                f"its {name} takes {inspect.signature(method)}, and is called with "
                f"({', '.join(('self', *arguments))}): write `{must} {name}({', '.join(('self', *arguments))})`."
            )
    limits = frozenset(Limit.Type)
    if not isinstance(cls.enforces, frozenset) or not cls.enforces <= limits:
        return f"its enforces is {cls.enforces!r:.100}: give a frozenset of Limit.Type.TIME and Limit.Type.MEMORY."
    return None


def _check_options(who: str, cls: type[Executor], settings: ExecutorSettings, options: dict[str, Any]) -> None:
    try:
        signature = inspect.signature(cls)
    except (TypeError, ValueError):
        # Some classes written in C do not tell; they find out themselves.
        return
    try:
        signature.bind(settings, **options)
    except TypeError as error:
        known = [p.name for p in list(signature.parameters.values())[1:] if p.kind is not p.VAR_KEYWORD]
        unknown = [name for name in options if name not in known]
        hint = nearest(unknown[0], known) if unknown else ""
        raise InvalidQueue(f"{who} does not take executor_options {options!r}: {error}.{hint}") from error


def _kind(found: Any) -> str:
    return f"the class {found.__qualname__}" if isinstance(found, type) else f"a {type(found).__name__}"


def _found(name: str, functions: Functions) -> Any:
    """What goes by this name: a path's object, or what an installed package offers by a name of its own.

    A path stands in a table, so it has to pass the allow-list; what is installed was chosen by whoever installed it.
    """
    if name == Executors.SubInterpreter:
        raise CannotRunHere(NOT_BUILT)
    ours = known_executor(name)
    if ours is not None:
        return import_named(ours)
    if "." in name or ":" in name:
        return functions.at(name)
    offered = offers(EXECUTOR_GROUP)
    if name not in offered.names:
        raise CannotRunHere(
            f"No installed package offers an executor {name!r} (entry-point group {EXECUTOR_GROUP})."
            + nearest(name, [*executor_words(), *offered.names])
        )
    try:
        return offered[name].load()
    except Exception as error:
        raise CannotRunHere(
            f"The executor {name!r} ({offered[name].value}) does not load: {type(error).__name__}: {error}"
        ) from error
