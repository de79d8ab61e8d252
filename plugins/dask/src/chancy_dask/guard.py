"""A thread of the Dask worker that watches the runs there: their time, their memory, and whether anybody wants them."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from chancy_dask.messages import Order

# How often runs are looked at. One with a memory limit can take a lot in a moment.
EVERY_S: Final = 0.05
# As often progress is told at most; it is stored half as often.
TELL_EVERY_S: Final = 0.25
# How long whoever sent a run that is over its limit may take to say so, before the process is ended without that.
UNHEARD_S: Final = 3.0
GONE: Final = "Nobody waits for this run any longer: its task was cancelled, or the cluster closes."
# States in which Dask has a task that runs and is wanted.
WANTED: Final = ("executing", "long-running")


class Guarded:
    """What the guard has to know of a run, and what it does to one. Made in the thread of the run."""

    def __init__(self, order: Order, worker: Any) -> None:
        self.order: Final = order
        self.thread: Final = threading.get_ident()
        self.peak_bytes = 0
        self._worker: Final = worker
        self._began_at: float | None = None
        self._told_at: float | None = None
        self._over_at: float | None = None
        self._progress: tuple[float, str | None] | None = None
        self._progress_at = 0.0
        self._progress_lock = threading.Lock()

    # -- what the run says -----------------------------------------------------------------

    def say(self, **event: Any) -> None:
        """Send an event to whoever sent the run."""
        self._worker.log_event(self.order.topic, {"run": self.order.run, "worker": self._worker.address, **event})

    def began(self) -> None:
        """Its function is called now."""
        self._began_at = time.monotonic()
        if self.order.time_s is not None:
            self.say(op="began")

    def told_to_stop(self) -> None:
        """It was told to stop now."""
        if self._told_at is None:
            self._told_at = time.monotonic()

    def tell_progress(self, fraction: float, note: str | None) -> None:
        """Send how far it is, or keep it for a moment."""
        with self._progress_lock:
            self._progress = (fraction, note)
        self._send_progress()

    def left_to_tell(self) -> tuple[float, str | None] | None:
        """What was not sent of its progress."""
        with self._progress_lock:
            left, self._progress = self._progress, None
        return left

    def _send_progress(self) -> None:
        with self._progress_lock:
            now = time.monotonic()
            if self._progress is None or now - self._progress_at < TELL_EVERY_S:
                return
            (fraction, note), self._progress = self._progress, None
            self._progress_at = now
        self.say(op="progress", fraction=fraction, note=note)

    # -- what the guard asks ---------------------------------------------------------------

    def alone(self) -> bool:
        """Whether its process runs nothing else, and is started again when it ends."""
        return self._worker.state.nthreads == 1 and self._worker.nanny is not None

    def let_go(self) -> bool:
        """Whether Dask has given the task up: it was cancelled, its client is gone, or the worker closes."""
        task = self._worker.state.tasks.get(self.order.run)
        return task is None or task.state not in WANTED or self._worker.status.value != "running"

    def look(self) -> None:
        """See whether it may go on."""
        self._send_progress()
        now = time.monotonic()
        if self._told_at is None and self.let_go():
            self.stop(GONE)
        memory = self.order.memory_bytes
        self.measure()
        if memory is not None and self.peak_bytes > memory:
            self._is_over("memory", now)
        if not (self.order.restarts and self.alone()):
            return
        limit_s, grace_s = self.order.time_s, self.order.grace_s
        if limit_s is not None and self._began_at is not None and now - self._began_at > limit_s:
            self.stop_over_time()
            if now - self._began_at > limit_s + grace_s:
                self._is_over("time", now)
        elif self._told_at is not None and now - self._told_at > grace_s:
            self._is_over("stopped", now)

    def measure(self) -> None:
        """Note what its process holds, as Dask accounts for it, if nobody else runs there."""
        if self.alone():
            self.peak_bytes = max(self.peak_bytes, self._worker.monitor.get_process_memory())

    def _is_over(self, what: str, now: float) -> None:
        """It is to end with its process: whoever sent it says so, when he knows."""
        if self._over_at is None:
            self._over_at = now
            used_s = 0.0 if self._began_at is None else now - self._began_at
            self.say(op="over", what=what, used_s=used_s, peak_bytes=self.peak_bytes, where=self.where())
        elif now - self._over_at > UNHEARD_S:
            self.end_process()

    def end_process(self) -> None:
        """End the process, at once, if nothing else runs in it."""
        if self.alone():
            os.kill(os.getpid(), signal.SIGKILL)

    def stop_over_time(self) -> None:
        """Let a coroutine function, or the next checkpoint, end by itself: both know the limit."""

    def stop(self, reason: str) -> None:
        """Tell it to stop. See the run."""
        raise NotImplementedError

    def where(self) -> str:
        """Where it is in its code. See the run."""
        raise NotImplementedError

    @staticmethod
    def stack_of(frame: FrameType | None) -> str:
        """A stack, as tracebacks show it; the end of it, where the function is."""
        return "" if frame is None else "".join(traceback.format_stack(frame))[-4000:]


class Guard:
    """The thread, which there is while there are runs."""

    def __init__(self) -> None:
        self._runs: list[Guarded] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failed: Callable[[BaseException], None] | None = None

    def watch(self, run: Guarded) -> None:
        """Watch a run from now on."""
        with self._lock:
            self._runs.append(run)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="chancy-guard", daemon=True)
                self._thread.start()

    def leave(self, run: Guarded) -> None:
        """It has ended."""
        with self._lock:
            if run in self._runs:
                self._runs.remove(run)

    def _watch(self) -> None:
        while True:
            with self._lock:
                runs = list(self._runs)
                if not runs:
                    self._thread = None
                    return
            for run in runs:
                try:
                    run.look()
                except Exception:  # noqa: BLE001 -- one that cannot be looked at must not keep the others from it
                    traceback.print_exc()
            time.sleep(EVERY_S)


guard: Final = Guard()
