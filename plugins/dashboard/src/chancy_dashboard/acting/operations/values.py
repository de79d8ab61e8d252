"""An operation: what is done to which jobs, who wanted it and why, and how far it has come."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from chancy import JobFilter
from chancy.errors import InvalidFilter

#: What can be done, and the method of a Chancy that does it.
ACTIONS: Final = {
    "retry": "retry_jobs",
    "cancel": "cancel_jobs",
    "delete": "delete_jobs",
    "update": "update_jobs",
}
# What stands for other characters in a filter.
_SPECIAL: Final = str.maketrans({"\\": "\\\\", "*": "\\*", "?": "\\?"})


class State(StrEnum):
    """Where an operation is. It is advanced while it is counting, running or stopping."""

    COUNTING = "counting"
    COUNTED = "counted"
    """It waits to be confirmed."""
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"

    @property
    def moves(self) -> bool:
        """Whether it is being advanced."""
        return self in (State.COUNTING, State.RUNNING, State.STOPPING)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation, as it is stored.

    Attributes:
        id: which one.
        state: where it is.
        action: what is done: the name of a method of a Chancy, such as `retry_jobs`.
        options: what `update_jobs` changes: `priority`, `queue`, `scheduled_at`.
        filter: which jobs are meant; its moments are points in time.
        queue: the one queue that they have to be in; None: any.
        made_by: who wanted them counted.
        made_from: from where.
        made_at: when.
        confirmed_by: who let it begin.
        confirmed_at: when.
        reason: why.
        after: how far the jobs have been looked for: the last id.
        counted: whether all have been found.
        found: how many. Nothing but these is touched.
        by_state: how many of each state.
        batches: in how many batches they are acted on.
        next_batch: how many batches are done.
        done: what was done, and to how many.
        skipped: how many were left as they were, by the reason.
        fresh: how many jobs match that were not counted; None: nobody has looked.
        ended_at: when it was done, stopped or failed.
        error: what went wrong.
        holder: the process that advances it, or did last.
        term: raised whenever a process takes it.
    """

    id: uuid.UUID
    state: State
    action: str
    options: Mapping[str, Any]
    filter: str
    queue: str | None
    made_by: str
    made_from: str
    made_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    reason: str
    after: uuid.UUID | None
    counted: bool
    found: int
    by_state: Mapping[str, int]
    batches: int
    next_batch: int
    done: Mapping[str, int]
    skipped: Mapping[str, int]
    fresh: int | None
    ended_at: datetime | None
    error: str | None
    holder: str | None
    term: int

    @property
    def word(self) -> str:
        """What is done, in a word: retry, cancel, delete or update."""
        return self.action.removesuffix("_jobs")

    @property
    def acted(self) -> int:
        """How many jobs it has come to."""
        return sum(self.done.values()) + sum(self.skipped.values())

    @property
    def wanted(self) -> JobFilter:
        """Which jobs are meant."""
        return in_queue(JobFilter.parse(self.filter), self.queue)


def changes(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `update_jobs` is given, of the options as they are stored."""
    found = dict(options)
    if found.get("scheduled_at") is not None:
        found["scheduled_at"] = datetime.fromisoformat(found["scheduled_at"])
    return found


def fixed(wanted: JobFilter, now: datetime | None = None) -> JobFilter:
    """The same filter with points in time: `since:2h` of a moment ago, when somebody looked at what it finds."""
    now = now or datetime.now(UTC)
    for name in ("since", "until"):
        moment = getattr(wanted, name)
        if isinstance(moment, timedelta):
            wanted = replace(wanted, **{name: now - moment})
    return wanted


def exactly(name: str) -> str:
    """What finds this name and no other."""
    return name.translate(_SPECIAL)


def in_queue(wanted: JobFilter, queue: str | None) -> JobFilter:
    """The same filter, of one queue only.

    Raises:
        InvalidFilter: it names other queues.
    """
    if queue is None or wanted.queues == (exactly(queue),):
        return wanted
    if wanted.queues:
        raise InvalidFilter(f"The filter asks for {wanted.queues}, and only jobs of the queue {queue!r} are meant.")
    return replace(wanted, queues=(exactly(queue),))
