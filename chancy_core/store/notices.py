"""What the workers have to hear of jobs that are pushed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chancy_core.store.jobrows import JobRow
from chancy_core.values.notices import Notice

# Workers look at what is due every few seconds anyway; only what is due sooner is worth waking them.
NOTIFY_DUE_WITHIN: Final = timedelta(seconds=60)


def notice_of(row: JobRow) -> Notice | None:
    """What the workers have to hear of a job, if anything."""
    if row.scheduled_at is None:
        return Notice.ready(row.queue)
    soon = row.scheduled_at - datetime.now(UTC) < NOTIFY_DUE_WITHIN
    return Notice.due(row.queue) if soon else None


def notices_of(rows: Sequence[JobRow]) -> list[Notice]:
    """What the workers have to hear of many jobs, each thing once."""
    # Nearly all are to be started now, and go to few queues.
    queues = {row.queue for row in rows if row.scheduled_at is None}
    found = {Notice.ready(queue) for queue in queues}
    found.update(heard for row in rows if row.scheduled_at is not None and (heard := notice_of(row)))
    return sorted(found)


def unheard(rows: Sequence[Sequence[Any]]) -> list[Notice]:
    """What the workers have to hear of jobs that have ended; each row says last whether a plugin is yet to be told."""
    return [Notice.ended()] if any(row[-1] for row in rows) else []
