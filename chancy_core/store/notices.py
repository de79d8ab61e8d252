"""What the workers have to hear of jobs that are pushed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def notices_of(rows: Iterable[JobRow]) -> list[Notice]:
    """What the workers have to hear of many jobs, each thing once."""
    return sorted({found for row in rows if (found := notice_of(row))})


def unheard(rows: Sequence[Sequence[Any]]) -> list[Notice]:
    """What the workers have to hear of jobs that have ended; each row says last whether a plugin is yet to be told."""
    return [Notice.ended()] if any(row[-1] for row in rows) else []
