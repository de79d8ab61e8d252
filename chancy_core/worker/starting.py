"""Starting: the executors that queues need, side by side, because anybody may have written them and one may hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from chancy_core.errors import InvalidQueue
from chancy_core.executors import Executor, ExecutorSettings, load_executor
from chancy_core.values.queue import Queue
from chancy_core.worker.misbehaving import close_executor

# How long the executors of new queues may take to start before the worker goes on without them.
STARTED_WITHIN_S: Final = 5.0


def serves_alike(queue: Queue, concurrency: int, other: Queue, other_concurrency: int) -> bool:
    """Whether an executor that was made for one declaration of a queue suits another."""
    ours = (queue.executor, queue.executor_options, concurrency)
    return ours == (other.executor, other.executor_options, other_concurrency)


class Starters:
    """The executors that are being started, each for a queue as it is declared.

    Args:
        settings: makes the settings of an executor that runs so many jobs at a time.
        started: is called when one has started that `wait` did not wait for.
    """

    def __init__(self, settings: Callable[[int], ExecutorSettings], started: Callable[[], None]) -> None:
        self._settings = settings
        self._told = started
        self._starting: dict[str, Starting] = {}

    def keep_only(self, names: Collection[str]) -> None:
        """Give up those of other queues."""
        for name in self._starting.keys() - set(names):
            _give_up(self._starting.pop(name))

    def start(self, queue: Queue, concurrency: int, *, unless: bool) -> None:
        """Start the executor of a queue, unless it has one that suits it, or one is being started that does."""
        starting = self._starting.get(queue.name)
        if starting is not None and serves_alike(starting.queue, starting.concurrency, queue, concurrency):
            return
        if starting is not None:
            _give_up(self._starting.pop(queue.name))
        if not unless:
            task = asyncio.create_task(self._started(queue, concurrency), name=f"chancy.start.{queue.name}")
            self._starting[queue.name] = Starting(queue, concurrency, task)

    async def wait(self) -> None:
        """Wait until all have started or failed, but not for long."""
        tasks = [starting.task for starting in self._starting.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STARTED_WITHIN_S)
            for task in late:
                task.add_done_callback(lambda _: self._told())

    def take(self, queue: Queue) -> Executor | None:
        """The executor that was started for a queue; None if none was.

        Raises:
            InvalidQueue: it has not started yet.
            BaseException: whatever it raised when it was made or started.
        """
        starting = self._starting.get(queue.name)
        if starting is None:
            return None
        if not starting.task.done():
            raise InvalidQueue(f"Queue {queue.name!r}: its executor {queue.executor} has not started yet.")
        return self._starting.pop(queue.name).task.result()

    async def _started(self, queue: Queue, concurrency: int) -> Executor:
        try:
            executor = load_executor(queue, self._settings(concurrency))
            await executor.start()
        except (SystemExit, KeyboardInterrupt) as error:
            # In a task they would end the loop.
            raise RuntimeError(f"the executor {queue.executor} raised {type(error).__name__}") from error
        return executor


class Starting(NamedTuple):
    """An executor that is being started.

    Attributes:
        queue: the queue that it is for.
        concurrency: how many of its jobs are to run at a time.
        task: starts it, and returns it.
    """

    queue: Queue
    concurrency: int
    task: asyncio.Task[Executor]


def _give_up(starting: Starting) -> None:
    """Nobody waits any longer for an executor: it is closed, should it still start."""
    starting.task.cancel()
    starting.task.add_done_callback(_close_if_started)


def _close_if_started(task: asyncio.Task[Executor]) -> None:
    if not task.cancelled() and task.exception() is None:
        closing = asyncio.ensure_future(close_executor(task.result()))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


# The loop keeps no hold of a task.
_closing: Final[set[asyncio.Future[None]]] = set()
