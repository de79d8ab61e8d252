"""The line between a running job and whoever runs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from chancy_core.errors import InvalidJob, JobStopped, TimeLimitExceeded
from chancy_core.values.job import Limit
from chancy_core.values.queuedjob import Progress, QueuedJob

NOTE_MAX: Final = 500


class Control:
    """How a run is told to stop, and how it tells how far it is. Both ends may be in any thread.

    Args:
        report: called with each progress, in the job's own thread; None: nobody listens.
        limit_s: the run's time limit in seconds, counted from `begin`.
    """

    __slots__ = ("_began_at", "_report", "_stopped", "application", "begins", "limit_s")

    def __init__(self, report: Callable[[Progress], None] | None = None, limit_s: float | None = None) -> None:
        self._report = report
        self._stopped: str | None = None
        # The Chancy of the run, which is asked for when a job does.
        self.application: Callable[[], Any] | None = None
        # Called when the job itself starts, in its own thread: not before, while what it is given is set up.
        self.begins: Callable[[], None] | None = None
        self.limit_s = limit_s
        self._began_at = time.monotonic()

    def begin(self) -> None:
        """The job itself starts now."""
        self._began_at = time.monotonic()
        if self.begins is not None:
            self.begins()

    @property
    def used_s(self) -> float:
        """Seconds since the job itself started."""
        return time.monotonic() - self._began_at

    def stop(self, reason: str) -> None:
        """Tell the run to stop: its next `checkpoint` raises."""
        self._stopped = reason

    @property
    def stopped(self) -> str | None:
        """Why the run was told to stop; None if it was not."""
        return self._stopped

    def checkpoint(self) -> None:
        """Raise if the run is to stop.

        Raises:
            JobStopped: it was cancelled, or its worker stops.
            TimeLimitExceeded: its time limit is over.
        """
        if self._stopped is not None:
            raise JobStopped(self._stopped)
        if self.limit_s is not None and self.used_s > self.limit_s:
            raise TimeLimitExceeded(f"The job ran for {self.used_s:.3f} s: its time limit is {self.limit_s:g} s.")

    def progress(self, fraction: float, note: str | None = None) -> None:
        """Tell how far the run is: `fraction` from 0 to 1, and a few words.

        Raises:
            InvalidJob: `fraction` is no number from 0 to 1, or `note` no text.
        """
        number = isinstance(fraction, int | float) and not isinstance(fraction, bool)
        if not number or not 0 <= fraction <= 1:
            raise InvalidJob(f"progress is {fraction!r}: give a number from 0 to 1.")
        if note is not None and not isinstance(note, str):
            raise InvalidJob(f"progress's note is {note!r:.60}: give a text, or None.")
        if self._report is not None:
            self._report(Progress(float(fraction), None if note is None else _storable(note)))


def _storable(note: str) -> str:
    return note[:NOTE_MAX].replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def time_limit_s(job: QueuedJob) -> float | None:
    """The job's time limit, in seconds."""
    return next((limit.value for limit in job.limits if limit.type_ is Limit.Type.TIME), None)
