"""What a child hears from its worker: read by the thread that runs jobs while it has none, else by another."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from chancy_core.executors.processes.frames import Begin, RunJob, Stop, Where, decode_to_child, read_frame

# A job that goes on for about so long is listened for. Before, nobody would have time to say anything about it.
LISTEN_AFTER_S: Final = 0.01
# After so many looks without a job the other thread sleeps until there is one.
LOOKS_MAX: Final = 100


class Listener:
    """The child's end of the line.

    Jobs come, and while one runs, whatever is said about it. If one thread reads and another one runs jobs, each job
    wakes two threads, which is much of what a short job costs. So the thread that runs jobs reads by itself when it has
    none. Another one looks every few milliseconds, while there are jobs at all, whether the same one still runs, and
    then reads for as long as it does.

    Args:
        sock: the socket.
        heard: called with what is said about a run, in either thread.
    """

    def __init__(self, sock: socket.socket, heard: Callable[[Stop | Where], None]) -> None:
        self._sock: Final = sock
        self._heard: Final = heard
        # What the other thread has read for the one that runs jobs.
        self._inbox: Final[SimpleQueue[Begin | RunJob | None]] = SimpleQueue()
        # Held to decide who reads.
        self._lock: Final = threading.Lock()
        self._other_reads = False
        # Whether something goes on in the thread that runs jobs, whether that is a job, and how many there were.
        self._busy = self._runs = False
        self._number = 0
        self._awake: Final = threading.Event()
        self._sleeps = False

    def start(self) -> None:
        """Start the other thread."""
        threading.Thread(target=self._watch, name="chancy-child", daemon=True).start()

    def next(self) -> Begin | RunJob | None:
        """Wait for what is to be done next; None: nothing more. The one before is over."""
        with self._lock:
            self._busy = self._runs = False
            waits = self._other_reads or not self._inbox.empty()
        message = self._inbox.get() if waits else self._read()
        self._number += 1
        self._runs = isinstance(message, RunJob)
        self._busy = True
        # After that: it looks once more before it sleeps.
        if self._sleeps:
            self._awake.set()
        return message

    def _read(self) -> Begin | RunJob | None:
        """Read on until there is something to do."""
        while True:
            try:
                body = read_frame(self._sock)
            except OSError:
                body = None
            if body is None:
                return None
            message: Begin | RunJob | Stop | Where = decode_to_child(body)
            if not isinstance(message, Stop | Where):
                return message
            self._heard(message)

    # -- the other thread ------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            self._sleeps = True
            if not self._busy:
                self._awake.wait()
            self._sleeps = False
            self._awake.clear()
            self._watch_runs()

    def _watch_runs(self) -> None:
        seen, looks = -1, 0
        while looks < LOOKS_MAX:
            time.sleep(LISTEN_AFTER_S)
            looks = 0 if self._busy else looks + 1
            if seen == self._number and self._busy:
                self._take_over(seen)
            seen = self._number

    def _take_over(self, number: int) -> None:
        """Read, for as long as the run of this number goes on, and until something is to be done after it."""
        with self._lock:
            if not self._busy or self._number != number:
                return
            self._other_reads = True
        message = self._read()
        with self._lock:
            if message is None and self._runs:
                # Nobody waits for this run any more, and it may hang.
                os._exit(1)
            self._inbox.put(message)
            self._other_reads = False
