"""Reporting: each attempt that failed is an event of its own; what else ends otherwise than well is told by its ids.

A failed attempt is told when it is decided what becomes of it, not when that is recorded: the exception with all that
its frames hold is let go then, and somebody who looks for the reason of an outage finds it while the outage lasts. If
the outcome cannot be recorded, because others own the job by then, `outcomes_stale` names the job once more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from chancy_core.log import log
from chancy_core.values.queuedjob import Outcome, State
from chancy_core.values.raised import Raised

T = TypeVar("T")

# Looking a member up takes longer than comparing with it.
_SUCCEEDED: Final = State.SUCCEEDED

# So many ids are in one event; of more jobs there are several.
IDS_MAX: Final = 50


class RaisedElsewhere(Exception):  # noqa: N818 -- reads as what it is
    """What was raised in another process. Its class has the name that it had there; its cause is the traceback."""


class TracebackElsewhere(Exception):  # noqa: N818
    """A traceback of another process, as text."""


@lru_cache(maxsize=256)
def _class_named(name: str) -> type[RaisedElsewhere]:
    return type(name or RaisedElsewhere.__name__, (RaisedElsewhere,), {"__module__": RaisedElsewhere.__module__})


def exception_of(raised: Raised) -> BaseException:
    """The exception; of one that was raised in another process, one that reads like it, for who looks at `exc_info`."""
    if raised.exception is not None:
        return raised.exception
    try:
        made = _class_named(raised.type)(raised.message)
    except ValueError:
        # Executors of others may have told anything, half a character for instance.
        made = RaisedElsewhere(raised.message)
    if raised.traceback:
        made.__cause__ = TracebackElsewhere(f"\n{raised.traceback}")
    return made


def report_failure(outcome: Outcome, raised: Raised) -> None:
    """Tell of an attempt that failed: a warning if it is tried again, an error if that was the last one.

    Args:
        outcome: what becomes of it; it has an error.
        raised: what was raised.
    """
    job, error = outcome.job, outcome.error
    if error is None or not log.hears(logging.ERROR if outcome.state.finished else logging.WARNING):
        return
    fields: dict[str, Any] = {
        "job": str(job.id),
        "func": job.func,
        "queue": job.queue,
        "attempt": error.attempt,
        "of": job.max_attempts,
        "error": f"{error.type}: {error.message}" if error.message else error.type,
        "worker": error.worker,
        "run_s": round(outcome.run_s, 3),
        # It has been made already, and making it is most of what an event costs.
        "exc_text": error.traceback.rstrip() or None,
        "exc_info": exception_of(raised),
    }
    if outcome.note:
        fields["note"] = outcome.note
    if outcome.state.finished:
        log.error("attempt_failed", retry_in_s=None, **fields)
    else:
        log.warning("attempt_failed", retry_in_s=round(outcome.delay_s or 0.0, 3), **fields)


def report_recorded(outcomes: Sequence[Outcome]) -> None:
    """Tell which jobs were cancelled, handed back, or put off, after that was recorded."""
    told: dict[tuple[str, str | None], list[str]] = {}
    for outcome in [one for one in outcomes if one.state is not _SUCCEEDED]:
        if outcome.error is not None:
            continue
        if outcome.state is State.PENDING:
            key = "jobs_handed_back", outcome.note
        elif outcome.state is State.RETRYING:
            key = "jobs_put_off", None
        elif outcome.state is State.CANCELLED:
            key = "jobs_cancelled", None
        else:
            continue
        told.setdefault(key, []).append(str(outcome.job.id))
    for (event, reason), jobs in told.items():
        for part in parts(jobs):
            fields = {} if reason is None else {"reason": reason}
            log.info(event, count=len(part), jobs=part, **fields)


def parts(items: Sequence[T]) -> Iterator[list[T]]:
    """Some at a time, as many as an event names by their ids."""
    for start in range(0, len(items), IDS_MAX):
        yield list(items[start : start + IDS_MAX])
