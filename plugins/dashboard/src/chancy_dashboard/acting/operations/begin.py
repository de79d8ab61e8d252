"""Begin an operation, confirm it, stop it: what people do."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from chancy import Chancy, JobFilter
from chancy.errors import InvalidFilter, JobNotFound
from chancy_dashboard.acting.operations import store
from chancy_dashboard.acting.operations.operator import counted, wake
from chancy_dashboard.acting.operations.values import ACTIONS, Operation, State, changes, fixed, in_queue

# It is only looked whether the filter is one.
SOON_S: Final = 0.01


async def begin(
    chancy: Chancy,
    word: str,
    wanted: JobFilter,
    *,
    by: str,
    source: str,
    queue: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Operation:
    """Count the jobs that a filter finds, so that somebody can confirm that something is done to them.

    Args:
        chancy: an application that can change things.
        word: what is to be done: retry, cancel, delete or update.
        wanted: which jobs.
        by: who wants it.
        source: from where.
        queue: the one queue that the jobs have to be in.
        options: for an update, what is changed: `priority`, `queue`, and `scheduled_at`, an ISO text, or None for now.

    Raises:
        InvalidFilter: the filter leaves no jobs to which this can be done.
        InvalidJob, UnknownQueue: one of the options cannot be.
    """
    action, wanted = ACTIONS[word], fixed(wanted)
    # Whether it can be done is told now, and not after somebody has confirmed it.
    await chancy.find_hits(in_queue(wanted, queue), action=action, limit=1, within_s=SOON_S)
    if word == "update":
        await _check(chancy, dict(options or {}))
    id_ = uuid.uuid4()
    row = {
        "id": id_,
        "action": action,
        "options": dict(options or {}),
        "filter": str(wanted),
        "queue": queue,
        "made_by": by,
        "made_from": source,
    }
    await store.insert(chancy, row)
    operation = await counted(chancy, id_)
    if operation is None:
        raise JobNotFound(f"The operation {id_} was forgotten while it was counted.")
    return operation


async def _check(chancy: Chancy, options: dict[str, Any]) -> None:
    """Raise InvalidJob or UnknownQueue for what jobs cannot be changed to."""
    await chancy.update_jobs([], **changes(options))
    if options.get("queue") is not None:
        await chancy.get_queue(options["queue"])


async def confirm(chancy: Chancy, operation: Operation, *, found: int, by: str, reason: str) -> Operation:
    """Let an operation begin, or go on. Raises InvalidFilter if it cannot."""
    begun = await store.confirm(chancy, operation.id, found=found, by=by, reason=reason)
    if begun is None:
        # Either the first answer was lost, or somebody else was quicker, or it is over.
        begun = await store.get(chancy, operation.id)
        if begun is None or not (begun.state in (State.RUNNING, State.DONE) and begun.confirmed_by == by):
            raise InvalidFilter(
                "This cannot begin any more: somebody else was quicker, or it is over. Look at it again."
            )
    wake(chancy)
    return begun


async def stop(chancy: Chancy, operation: Operation) -> Operation:
    """Have an operation stopped between two batches."""
    stopped = await store.stop(chancy, operation.id)
    wake(chancy)
    return stopped or operation
