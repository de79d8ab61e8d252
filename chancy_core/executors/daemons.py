"""Threads that take what is to be done from one line, and that the interpreter does not wait for at its end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar

from chancy_core.executors.shortage import NoThread


class Work(Protocol):
    """What a thread does."""

    def run(self) -> None:
        """Do it; called in a thread. Never raises."""

    def refuse(self, error: NoThread) -> None:
        """There is no thread for it: it is not run. From any thread."""


W = TypeVar("W", bound=Work)


class DaemonThreads(Generic[W]):
    """Threads that take work from one line and lay it into another when it is done, of which the loop is told.

    What costs most about a short call in a thread is not the call: it is to wake the thread, and to tell the loop. So a
    thread that has come for work takes one piece after another, and wakes the next thread if more lie there. While that
    one is on its way, no other is woken: a row of short calls needs one or two threads, and a row of calls that block
    as many as there are calls. The loop is told once for all that is done by the time it looks. Nothing that is done
    ever waits for a call that goes on: who begins a call has told of what lies there, or knows of somebody who will.

    There are as many threads as there were calls at a time, with no bound of their own, since whoever uses them has
    slots; a call that was given up still has its thread, and must not take it from the next one. They are daemons: a
    call that blocks for an hour, and that nobody waits for any longer, does not keep a process alive that was told to
    stop.

    Args:
        name: the prefix of the threads' names.
        ended: called on the loop with all work that is done, or was refused, since it was called last. Never raises.
    """

    def __init__(self, name: str, ended: Callable[[list[W]], None]) -> None:
        self._name: Final = name
        self._ended: Final = ended
        # That of whoever gives the first work: executors are made without one, too.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context: Final = contextvars.copy_context()
        # Appending and taking are one step each, for all threads.
        self._line: Final[deque[W]] = deque()
        self._done: Final[deque[W]] = deque()
        # The threads that sleep: each is woken by its own lock.
        self._idle: Final[list[Any]] = []
        self._count = 0
        # Whether a thread was woken or started that has not come yet.
        self._coming = False
        # Whether the loop was told that something is done, and has not looked yet.
        self._told = False
        self._closed = False

    def give(self, work: W) -> None:
        """Lay work into the line, on the loop. It is begun after the next `wake`."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._line.append(work)

    def wake(self) -> None:
        """Let a thread come if anything lies in the line, unless one is on its way. From any thread."""
        if self._coming or not self._line:
            return
        self._coming = True
        try:
            sleeper = self._idle.pop()
        except IndexError:
            self._start()
        else:
            sleeper.release()

    def collect(self) -> None:
        """Hear of all that is done by now. On the loop."""
        # Before the look: what is done after it is told of anew.
        self._told = False
        done = self._done
        found = [done.popleft() for _ in range(len(done))]
        if found:
            self._ended(found)

    def close(self) -> None:
        """Let each thread end once it has nothing to do. Never waits."""
        self._closed = True
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().release()

    def _start(self) -> None:
        self._count += 1
        try:
            threading.Thread(target=self._work, name=f"{self._name}-{self._count}", daemon=True).start()
        except Exception as error:  # noqa: BLE001 -- for want of memory, say
            self._coming = False
            self._refuse(error)

    def _refuse(self, cause: Exception) -> None:
        """No thread comes for what lies there: it might wait for as long as other calls take."""
        with suppress(IndexError):
            while True:
                work = self._line.popleft()
                error = NoThread(f"no thread could be started for a job: {cause}")
                error.__cause__ = cause
                work.refuse(error)
                self._done.append(work)
        self._tell()

    def _work(self) -> None:
        sleep = threading.Lock()
        sleep.acquire()
        while True:
            self._coming = False
            self._take_all()
            if self._closed:
                return
            self._idle.append(sleep)
            if self._line or self._closed:
                # It came between the two looks. If somebody has woken this thread for it, it is on its way already.
                with suppress(ValueError):
                    self._idle.remove(sleep)
                    continue
            sleep.acquire()

    def _take_all(self) -> None:
        line, done = self._line, self._done
        # Others may have begun calls that take long, and left this to whoever comes.
        if done and not self._told:
            self._tell()
        while True:
            try:
                work = line.popleft()
            except IndexError:
                break
            if line:
                self.wake()
            if done and not self._told and not self._coming:
                self._tell()
            work.run()
            done.append(work)
            # It holds what the job was given, and would while this thread sleeps.
            del work
        if done and not self._told:
            self._tell()

    def _tell(self) -> None:
        self._told = True
        assert self._loop is not None  # noqa: S101 -- work was given
        # It may have been closed.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.collect, context=self._context.copy())
