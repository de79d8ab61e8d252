"""From a queue's `executor` to the executor."""

from __future__ import annotations

from typing import Any

from chancy_core.config.offers import offers
from chancy_core.errors import CannotRun, CannotRunHere, InvalidQueue, nearest
from chancy_core.executors.base import Executor, ExecutorSettings
from chancy_core.executors.functions import Functions, load
from chancy_core.values.queue import EXECUTOR_GROUP, NOT_BUILT, Queue, executor_words, known_executor
from chancy_core.values.queue import Executor as Executors


def load_executor(queue: Queue, settings: ExecutorSettings) -> Executor:
    """A new executor for a queue.

    Raises:
        InvalidQueue: there is no such class, it is no executor, or it does not take the queue's
            `executor_options`.
    """
    try:
        found = _found(str(queue.executor), settings.functions)
    except (CannotRun, CannotRunHere) as error:
        raise InvalidQueue(f"Queue {queue.name!r}: its executor cannot be used: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Executor)):
        raise InvalidQueue(
            f"Queue {queue.name!r}: {queue.executor} is not an executor: it must be a subclass of "
            "chancy_core.executors.Executor."
        )
    try:
        return found(settings, **queue.executor_options)
    except TypeError as error:
        raise InvalidQueue(
            f"Queue {queue.name!r}: {queue.executor} does not take executor_options "
            f"{queue.executor_options!r}: {error}."
        ) from error
    except InvalidQueue as error:
        raise InvalidQueue(f"Queue {queue.name!r}, executor_options: {error}") from error


def _found(name: str, functions: Functions) -> Any:
    """What goes by this name: a path's object, or what an installed package offers by a name of its own.

    A path stands in a table, so it has to pass the allow-list; what is installed was chosen by whoever installed it.
    """
    if name == Executors.SubInterpreter:
        raise CannotRunHere(NOT_BUILT)
    ours = known_executor(name)
    if ours is not None:
        return load(ours)
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
