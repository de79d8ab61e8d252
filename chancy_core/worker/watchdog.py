"""Watchdog: says which job blocks the event loop, while it does."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from chancy_core.log import log
from chancy_core.values.queuedjob import QueuedJob

# How often the loop is asked for a sign of life: it costs one callback.
ASK_EVERY_S: Final = 0.5
# Without an answer for so long it counts as blocked; that is told again whenever the time has doubled.
BLOCKED_S: Final = 1.0


class Watchdog:
    """A thread that asks the loop, and tells what runs there when no answer comes.

    Args:
        job_of: the job that a task runs; None if it runs none. Called in the watchdog's thread.
    """

    def __init__(self, job_of: Callable[[asyncio.Task[Any]], QueuedJob | None]) -> None:
        self._job_of = job_of
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chancy-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch the loop that runs now."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer. Does not wait."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(ASK_EVERY_S):
            answered = threading.Event()
            asked_at = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(answered.set)
            except RuntimeError:
                # The loop was closed.
                return
            blocked_s, told = BLOCKED_S, False
            while not answered.wait(asked_at + blocked_s - time.monotonic()):
                if self._stopped.is_set():
                    return
                told = self._tell(time.monotonic() - asked_at) or told
                blocked_s *= 2
            if told:
                log.warning("loop_unblocked", blocked_s=round(time.monotonic() - asked_at, 3))

    def _tell(self, blocked_s: float) -> bool:
        # From another thread only if the loop is named.
        task = asyncio.current_task(self._loop)
        if task is None:
            # No task: the machine was slow, or the process was stopped for a while.
            return False
        fields: dict[str, Any] = {"task": task.get_name()}
        job = self._job_of(task)
        if job is not None:
            fields = {"job": str(job.id), "func": job.func}
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 -- the only way to see another thread's
        if frame is not None:
            fields["where"] = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        log.warning(
            "loop_blocked",
            blocked_s=round(blocked_s, 3),
            hint="Blocking work belongs in a plain function, which runs in a thread or a child process.",
            **fields,
        )
        return True
