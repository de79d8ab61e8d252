"""Jobs as pages show them: redacted, and cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chancy import QueuedJob
from chancy_dashboard.showing.jsons import brief, cut

Redacted = Callable[[Any], Any]


def row_of(job: QueuedJob, redacted: Redacted) -> dict[str, Any]:
    """A job in a table."""
    last = job.errors[-1] if job.errors else None
    return {
        "id": str(job.id),
        "func": job.func,
        "queue": job.queue,
        "state": job.state.value,
        "priority": job.priority,
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "created_at": job.created_at,
        "scheduled_at": job.scheduled_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "run_s": job.run_s,
        "worker": job.worker,
        "unique_key": job.unique_key,
        "note": job.note,
        "error": None if last is None else {"type": last.type, "message": last.message[:300]},
        "progress": None if job.progress is None else job.progress.fraction,
        "cancel_requested": job.cancel_requested,
        "brief": brief(redacted(job.kwargs)),
    }


def value_at(job: QueuedJob, path: str, redacted: Redacted) -> Any:
    """What a job has at `kwargs.user.id` or `meta.tenant`; None if nothing."""
    column, *parts = path.split(".")
    found: Any = redacted(job.kwargs if column == "kwargs" else job.meta)
    for part in parts:
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return cut(found)[0]
