"""Django's connections round each job, as its requests have it: old ones are closed, and so are broken ones."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Final

from asgiref.sync import SyncToAsync
from django.db import connections

# Coroutines that run now. They share the one thread in which asgiref runs what they do with the ORM.
_async_runs: Final[set[int]] = set()
_lock: Final = threading.Lock()


class Round:
    """What goes round one run of a job, in its thread, its child process, or its loop."""

    def __init__(self) -> None:
        self._on_loop = False

    def __enter__(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            tidy()
            return
        self._on_loop = True
        with _lock:
            _async_runs.add(id(self))
        # A thread takes one thing after the other, so that this comes before the job's first query.
        loop.run_in_executor(SyncToAsync.single_thread_executor, tidy_shared, id(self))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._on_loop:
            tidy()
            return
        with _lock:
            _async_runs.discard(id(self))
        asyncio.get_running_loop().run_in_executor(SyncToAsync.single_thread_executor, tidy_shared)


def tidy() -> None:
    """Close the connections of this thread that are too old, or broken, and forget their queries."""
    for connection in _ours():
        connection.queries_log.clear()
        connection.close_if_unusable_or_obsolete()


def tidy_shared(run: int | None = None) -> None:
    """As `tidy`, in the thread that coroutines share: while others of them run, only what is broken is closed.

    Args:
        run: the one for which it is done, if it begins; one that has ended is none of them any more.
    """
    with _lock:
        alone = _async_runs <= {run}
    if alone:
        tidy()
        return
    for connection in _ours():
        connection.queries_log.clear()
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


def _ours() -> list[Any]:
    """The connections of this thread, but for one in a transaction: that is of a test, in which the job is run."""
    return [one for one in connections.all(initialized_only=True) if not one.in_atomic_block]
