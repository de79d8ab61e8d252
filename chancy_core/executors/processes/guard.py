"""Limits of runs in children, enforced by a thread that neither the worker's loop nor the child can hold up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from chancy_core.executors import memory

# How fast a process may grow; a look at it is due before it can have used up what it may still have.
GROWTH_BYTES_PER_S: Final = 4 * 1024**3
# Looks are no closer than the first, because each costs about ten microseconds; and no further apart than the second.
LOOK_EVERY_MIN_S: Final = 0.005
LOOK_EVERY_MAX_S: Final = 0.25
NEVER: Final = float("inf")
# However far away the next moment is.
LONGEST_WAIT_S: Final = 3600.0


class KillReason(Enum):
    """Why a child was killed."""

    TIME = auto()
    MEMORY = auto()
    NOT_STARTED = auto()
    STOPPED = auto()


class Watch:
    """One run in a child, and what it may use. Changed only by its guard.

    Attributes:
        pid: the child's, once it is known.
        kill_at: when the child is killed, by the monotonic clock.
        kill_for: what for.
        limit_bytes: the most memory it may hold.
        peak_bytes: the most it was seen to hold.
        killed_for: why it was killed; None if it was not.
        killed_at: when, by the monotonic clock.
        ask_at: when it is asked where it is, should it still go on.
    """

    __slots__ = (
        "_ask",
        "_kill",
        "ask_at",
        "kill_at",
        "kill_for",
        "killed_at",
        "killed_for",
        "limit_bytes",
        "look_at",
        "peak_bytes",
        "pid",
    )

    def __init__(self, kill: Callable[[], None], ask: Callable[[], None], pid: int | None) -> None:
        self._kill = kill
        self._ask = ask
        self.pid = pid
        self.kill_at = self.ask_at = NEVER
        self.kill_for = KillReason.TIME
        self.limit_bytes: float | None = None
        self.look_at = NEVER
        self.peak_bytes = 0
        self.killed_for: KillReason | None = None
        self.killed_at: float | None = None

    def next_at(self) -> float:
        """When there is something to do."""
        return min(self.kill_at, self.look_at, self.ask_at)

    def check(self, now: float) -> None:
        """Look at it, and kill it if it must be."""
        if self.killed_for is None and self.look_at <= now:
            self._look(now)
        if self.killed_for is None and self.kill_at <= now:
            self._condemn(self.kill_for)
        if self.ask_at <= now:
            self.ask_at = NEVER
            self._ask()

    def _look(self, now: float) -> None:
        rss = None if self.pid is None else memory.rss_bytes(self.pid)
        if self.limit_bytes is None or rss is None:
            self.look_at = NEVER if self.limit_bytes is None else now + LOOK_EVERY_MIN_S
            return
        self.peak_bytes = max(self.peak_bytes, rss)
        if rss > self.limit_bytes:
            self._condemn(KillReason.MEMORY)
            return
        left_s = (self.limit_bytes - rss) / GROWTH_BYTES_PER_S
        self.look_at = now + min(max(left_s, LOOK_EVERY_MIN_S), LOOK_EVERY_MAX_S)

    def _condemn(self, killed_for: KillReason) -> None:
        self.killed_for = killed_for
        self.kill_at = self.look_at = self.ask_at = NEVER
        if self.pid is not None:
            self.peak_bytes = max(self.peak_bytes, memory.peak_bytes(self.pid) or 0)
        self.killed_at = time.monotonic()
        self._kill()


class Guard:
    """Watches runs, and kills the children of those that exceed their limits.

    A run that was released is never killed for: releasing waits for a kill that is under way, which then counts.
    """

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, watch: Watch, *, limit_bytes: float | None = None) -> None:
        """Watch a run from now on."""
        with self._changed:
            watch.limit_bytes = limit_bytes
            if limit_bytes is not None:
                watch.look_at = time.monotonic()
            self._watches.add(watch)
            self._wake()

    def kill_at(self, watch: Watch, at: float, killed_for: KillReason, *, ask_at: float = NEVER) -> None:
        """Kill a run's child at a moment of the monotonic clock, unless it is released before.

        Args:
            watch: the run's.
            at: the moment.
            killed_for: what for.
            ask_at: when it is asked where it is, before.
        """
        with self._changed:
            watch.kill_at, watch.kill_for, watch.ask_at = at, killed_for, ask_at
            self._watches.add(watch)
            self._wake()

    def release(self, watch: Watch) -> None:
        """Watch a run no longer. Afterwards its `killed_for` is final."""
        # Only one thread begins to watch, and releases. Most runs were never watched.
        if watch in self._watches:
            with self._changed:
                self._watches.discard(watch)

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="chancy-guard", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for watch in self._watches:
                    if watch.next_at() <= now:
                        watch.check(now)
                next_at = min((watch.next_at() for watch in self._watches), default=NEVER)
                # A limit may be longer than any thread can wait.
                self._changed.wait(min(max(next_at - time.monotonic(), 0), LONGEST_WAIT_S))
