"""Look at jobs, cancel them, and bring them back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

import psycopg

from chancy_core.errors import InvalidJob
from chancy_core.store.flow import Flow
from chancy_core.store.notices import unheard
from chancy_core.store.store import Store
from chancy_core.store.storedjobs import stored_job
from chancy_core.store.weather import text_of
from chancy_core.values.notices import Notice
from chancy_core.values.queuedjob import Cancellation, QueuedJob, State

# A job on its way from one table to the other is missed once; one that is missed twice is nowhere.
CANCEL_ROUNDS: Final = 2


def get_jobs(store: Store, ids: Sequence[uuid.UUID]) -> Flow[dict[uuid.UUID, QueuedJob]]:
    """The jobs with these ids, live or finished; those that do not exist are left out."""
    rows = yield store.query("get_jobs", ids=list(ids))
    jobs = map(stored_job, rows)
    return {job.id: job for job in jobs}


def cancel_jobs(store: Store, ids: Sequence[uuid.UUID], note: str) -> Flow[dict[uuid.UUID, Cancellation]]:
    """Cancel jobs, and tell the workers that run some of them; those that do not exist are left out."""
    found: dict[uuid.UUID, Cancellation] = {}
    for _ in range(CANCEL_ROUNDS):
        left = [id_ for id_ in ids if id_ not in found]
        if not left:
            break
        try:
            rows = yield store.ending("cancel_jobs", ids=left, note=note, states=None, claims=None)
        except psycopg.DataError as error:
            raise InvalidJob(f"reason is {note!r:.60}, which the database cannot store: {text_of(error)}.") from error
        found |= {row[0]: Cancellation(row[1]) for row in rows}
        workers = sorted({row[2] for row in rows if row[2] is not None})
        yield from store.notify([*unheard(rows), *(Notice.cancel(worker) for worker in workers)])
    return found


def retry_jobs(store: Store, ids: Sequence[uuid.UUID]) -> Flow[list[uuid.UUID]]:
    """Bring finished jobs back; the ids of those that came back."""
    rows = yield store.ending("retry_jobs", ids=list(ids), states=None, claims=None)
    tell = {Notice.due(queue) if state == State.SCHEDULED else Notice.back(queue) for _, _, queue, _, state, *_ in rows}
    yield from store.notify([*unheard(rows), *sorted(tell)])
    return [row[0] for row in rows]


def find_finished(store: Store, ids: Sequence[uuid.UUID]) -> Flow[dict[uuid.UUID, bool]]:
    """Whether each of these jobs is finished; those that do not exist are left out."""
    rows = yield store.query("find_finished", ids=list(ids))
    return {id_: bool(finished) for id_, finished in rows}


def count_live(store: Store) -> Flow[dict[str, dict[str, int]]]:
    """How many live jobs each queue has, by state."""
    counts: dict[str, dict[str, int]] = {}
    for queue, state, count in (yield store.query("count_live")):
        counts.setdefault(queue, {})[state] = count
    return counts
