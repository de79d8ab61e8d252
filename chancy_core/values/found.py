"""What was found: a page of jobs, and how many there are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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
