"""From a queue's `executor` to the executor."""

from __future__ import annotations

from chancy_core.errors import CannotRun, InvalidQueue
from chancy_core.executors.base import Executor, ExecutorSettings
from chancy_core.executors.functions import load
from chancy_core.queue import Queue


def load_executor(queue: Queue, settings: ExecutorSettings) -> Executor:
    """A new executor for a queue.

    Raises:
        InvalidQueue: there is no such class, it is no executor, or it does not take the queue's
            `executor_options`.
    """
    try:
        found = load(str(queue.executor))
    except CannotRun as error:
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
