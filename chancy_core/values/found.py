"""What was found: a page of jobs, how many there are, and which ones an action is about."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from chancy_core.values.queuedjob import QueuedJob


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that a filter finds, the newest first, as far as there was time to look.

    Attributes:
        jobs: the jobs. Fewer than the limit, even none, do not mean that there are no more: see `next`.
        next: where to go on: `find_jobs(filter, after=page.next)`. None: there are no more.
        searched_until: if time ran out before the page was full: when the last job was pushed that was looked at. None:
            the page is full, or everything was looked at.
    """

    jobs: list[QueuedJob]
    next: str | None = None
    searched_until: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has: for a web endpoint, `json.dumps`, or a log."""
        rest = msgspec.to_builtins({"next": self.next, "searched_until": self.searched_until})
        return {"jobs": [job.to_dict() for job in self.jobs], **rest}


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs a filter finds.

    Attributes:
        value: the number.
        exact: whether they were counted. If not, it is an estimate: the share of those that were looked at, and how
            many there are as the statistics of the database have it.
    """

    value: int
    exact: bool

    def __int__(self) -> int:
        return self.value

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name."""
        return {"value": self.value, "exact": self.exact}


class Hit(NamedTuple):
    """A job that was found, as it was then. An action that is given one leaves the job alone if it has changed since.

    Attributes:
        id: its id.
        state: the state that it was in, as a text.
        claims: how often it had been claimed.
    """

    id: uuid.UUID
    state: str
    claims: int


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs a filter finds, the newest first, as far as there was time to look.

    Attributes:
        hits: the jobs, as they were found.
        next: where to go on: `find_hits(filter, after=found.next)`. None: there are no more.
    """

    hits: list[Hit]
    next: str | None = None
