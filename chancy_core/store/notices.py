"""What the workers have to hear of jobs that are pushed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from chancy_core.store.jobrows import JobRow

# Workers look at what is due every few seconds anyway; only what is due sooner is worth waking them.
NOTIFY_DUE_WITHIN: Final = timedelta(seconds=60)


def payload(row: JobRow) -> str | None:
    """What the workers have to hear of a job, if anything."""
    if row.scheduled_at is None:
        return ready(row.queue)
    soon = row.scheduled_at - datetime.now(UTC) < NOTIFY_DUE_WITHIN
    return f"due:{row.queue}" if soon else None


def payloads(rows: Iterable[JobRow]) -> list[str]:
    """What the workers have to hear of many jobs, each thing once."""
    return sorted({found for row in rows if (found := payload(row))})


def ready(queue: str) -> str:
    """That a queue has jobs that may be started."""
    return f"ready:{queue}"
