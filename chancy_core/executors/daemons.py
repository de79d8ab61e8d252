"""Threads that the interpreter does not wait for at its end."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from chancy_core.executors.shortage import NoThread

T = TypeVar("T")
P = ParamSpec("P")


class DaemonThreads(concurrent.futures.Executor):
    """A pool that grows to as many threads as there are calls at a time.

    Unlike those of `ThreadPoolExecutor`, its threads are daemons: a call that blocks for an hour, and that nobody waits
    for any longer, does not keep a process alive that was told to stop.

    It has no bound of its own, since whoever uses it has slots; a call that was given up still has its thread, and must
    not take it from the next one.

    Args:
        name: the prefix of the threads' names.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        """Call `fn` in a thread. Not to be called by two threads at a time.

        Raises:
            NoThread: there is none for it; it is not called.
        """
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def call() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:  # noqa: BLE001 -- it belongs to whoever waits for the future
                    future.set_exception(error)
                else:
                    future.set_result(result)

        if not self._idle.acquire(blocking=False):
            # Before the call is put: without a thread of its own it would run later, in somebody else's.
            self._start()
        self._calls.put(call)
        return future

    def _start(self) -> None:
        name = f"{self._name}-{self._count + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError as error:
            raise NoThread(f"no thread could be started for a job: {error}") from error
        self._count += 1

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 -- as the base has it
        """Let each thread end once its call does. Never waits."""
        for _ in range(self._count):
            self._calls.put(None)

    def _work(self) -> Any:
        while True:
            call = self._calls.get()
            if call is None:
                return
            call()
            del call
            self._idle.release()
