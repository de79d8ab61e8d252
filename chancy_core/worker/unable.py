"""Unable: the functions that this worker cannot run for now, and leaves to others.

A module that does not import here, a function that is not allowed here, a machine that is out of descriptors: that is
the fault of no job. The job goes back, and the worker stops claiming that function for a while, which doubles each time
that it still cannot be run. Meanwhile other workers take those jobs, such as those that have the new code already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from chancy_core.log import log
from chancy_core.values.storable import one_line
from chancy_core.values.workerinfo import UnableStatus

# How long a function is left alone, first and at most.
FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0
# So many functions are left out of a claim at most. What comes on top is put off instead, job by job, which is dearer.
FUNCTIONS_MAX: Final = 100
# A function that was not tried for so long has no jobs left.
FORGOTTEN_S: Final = 600.0
# How soon it is told again that a function still cannot be run, first and at most; doubled each time.
TELL_AGAIN_S: Final = 60.0
TELL_AGAIN_MAX_S: Final = 3600.0
# How much of a problem is shown in the worker's status; the log has all of it.
SHOWN: Final = 300
HINT: Final = (
    "Its jobs go to other workers, no attempt spent. Mend it here (deploy the module, install what it needs, allow it "
    "in `functions`, raise the limits of this process), and restart the worker."
)


def _nothing() -> None:
    """Nobody claims."""


class _Fault:
    """What is known of one function."""

    __slots__ = ("found_at", "problem", "tell_at", "tell_s", "times", "until", "wait_s")

    def __init__(self, problem: str, now: float) -> None:
        self.problem = problem
        self.found_at = self.tell_at = now
        self.until = now
        self.wait_s = self.tell_s = 0.0
        # How many runs could not be begun since it was told last.
        self.times = 0


class Unable:
    """The functions of one queue.

    Args:
        queue: its name.
        worker: the worker's name.

    Attributes:
        faults: what is known of each. Nearly always empty, which is asked with every job that begins or ends.
        changed: called when a function is left alone from now on, so that whoever claims knows when that ends.
    """

    def __init__(self, queue: str, worker: str) -> None:
        self._queue = queue
        self._worker = worker
        self.changed: Callable[[], None] = _nothing
        self.faults: dict[str, _Fault] = {}

    def problem_of(self, func: str) -> str | None:
        """Why a function is left alone just now; None if it is not."""
        fault = self.faults.get(func)
        return None if fault is None or fault.until <= time.monotonic() else fault.problem

    def left_alone(self) -> list[str] | None:
        """The functions that are not to be claimed now; None for none."""
        if not self.faults:
            return None
        now = time.monotonic()
        return [func for func, fault in self.faults.items() if fault.until > now] or None

    def ends_in_s(self) -> float:
        """Seconds until the next of them may be tried again."""
        now = time.monotonic()
        return min((fault.until - now for fault in self.faults.values() if fault.until > now), default=float("inf"))

    def found(self, func: str, problem: str) -> bool:
        """A run of it could not be begun here; whether it is left alone from now on, or there are too many of them."""
        now = time.monotonic()
        fault = self.faults.get(func)
        if fault is None:
            self.faults = {func: old for func, old in self.faults.items() if now - old.until < FORGOTTEN_S}
            if len(self.faults) >= FUNCTIONS_MAX:
                return False
            fault = self.faults[func] = _Fault(problem, now)
        fault.problem = problem
        fault.times += 1
        if fault.until <= now:
            # Not for each of those that were claimed together.
            fault.wait_s = min(fault.wait_s * 2, LONGEST_S) or FIRST_S
            fault.until = now + fault.wait_s
            self.changed()
        if fault.tell_at <= now:
            self._tell(func, fault, now)
        return True

    def runs(self, func: str) -> None:
        """A run of it was begun."""
        fault = self.faults.pop(func, None)
        if fault is not None:
            log.info("function_runs_again", func=func, queue=self._queue, worker=self._worker)

    def status(self) -> list[UnableStatus]:
        """What there is to say of them, for people to look at."""
        now = time.monotonic()
        return [
            UnableStatus(
                queue=self._queue,
                func=one_line(func, SHOWN),
                problem=one_line(fault.problem, SHOWN),
                since_s_ago=now - fault.found_at,
            )
            for func, fault in self.faults.items()
            if now - fault.until < FORGOTTEN_S
        ]

    def _tell(self, func: str, fault: _Fault, now: float) -> None:
        log.error(
            "function_left_alone",
            func=func,
            queue=self._queue,
            worker=self._worker,
            problem=fault.problem,
            runs=fault.times,
            since_s=round(now - fault.found_at),
            tried_again_in_s=round(max(fault.until - now, 0.0), 1),
            hint=HINT,
        )
        fault.times = 0
        fault.tell_s = min(fault.tell_s * 2, TELL_AGAIN_MAX_S) or TELL_AGAIN_S
        fault.tell_at = now + fault.tell_s
