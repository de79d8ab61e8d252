"""What a job may raise to say how its run ended, other than by returning or failing."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from chancy_core.errors import InvalidJob
from chancy_core.values.ranges import DELAY_S

# As long as any backoff may be.
DELAY_MAX_S: Final = int(DELAY_S.high)


class Verdict(Exception):  # noqa: N818 -- none of them is an error
    """The root of `Snooze`, `Retry` and `Cancel`."""


class Snooze(Verdict):
    """Raised by a job that is to come back later: no attempt is spent.

    Args:
        seconds: until then; a number or a timedelta, at most a year.
        reason: a few words, kept as the job's note.

    Raises:
        InvalidJob: `seconds` is out of range.
    """

    def __init__(self, seconds: float | timedelta, reason: str | None = None) -> None:
        # As it was given, so that it can be pickled.
        super().__init__(seconds, reason)
        self.delay_s: Final = _seconds("Snooze", seconds)

    def __str__(self) -> str:
        reason = self.args[1]
        return str(reason) if reason else f"Snoozed for {self.delay_s:g} s."


class Retry(Verdict):
    """Raised by a job that failed and knows when to try again: the attempt is spent.

    Without attempts left the job has failed.

    Args:
        reason: a few words, kept as the message of the attempt's error.
        after: seconds until the next attempt, or a timedelta, at most a year; None: as the job's backoff says.

    Raises:
        InvalidJob: `after` is out of range, or stands in the place of the reason.
    """

    def __init__(self, reason: str | None = None, *, after: float | timedelta | None = None) -> None:
        if isinstance(reason, int | float | timedelta):
            raise InvalidJob(f"Retry is given {reason!r} as its reason: for a time, Retry(after={reason!r}).")
        super().__init__(reason or "The job asked to be tried again.")
        self.delay_s: Final = None if after is None else _seconds("Retry", after)


class Cancel(Verdict):
    """Raised by a job that is of no use any more: it ends `cancelled`, and is not retried.

    Args:
        reason: a few words, kept as the job's note.
    """

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "The job cancelled itself.")


def _seconds(name: str, value: object) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not isinstance(seconds, int | float) or not DELAY_S.holds(seconds):
        raise InvalidJob(f"{name} is given {value!r}: give seconds from 0 to {DELAY_MAX_S:,}, or a timedelta.")
    return float(seconds)
