"""Look at jobs, cancel them, and bring them back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

import psycopg

from chancy_core.errors import InvalidJob
from chancy_core.store.flow import Flow, Pause
from chancy_core.store.notices import unheard
from chancy_core.store.store import Store
from chancy_core.store.storedjobs import stored_job
from chancy_core.store.weather import text_of
from chancy_core.values.notices import Notice
from chancy_core.values.queuedjob import Cancellation, QueuedJob, State

# A job on its way from one table to the other is missed once; one that is missed twice is nowhere.
CANCEL_ROUNDS: Final = 2
# So much JSON is read at a step, which holds the event loop for some milliseconds.
READ_BYTES: Final = 1 << 19
# Where `get_jobs` returns kwargs, meta, errors and the result.
_TEXTS: Final = (2, 8, 16, 21)
# What has finished is fetched in parts: its arguments and results may be large.
GET_MAX: Final = 100


def get_jobs(store: Store, ids: Sequence[uuid.UUID]) -> Flow[dict[uuid.UUID, QueuedJob]]:
    """The jobs with these ids, live or finished; those that do not exist are left out."""
    rows = yield store.query("get_jobs", ids=list(ids))
    jobs: dict[uuid.UUID, QueuedJob] = {}
    size = 0
    for row in rows:
        job = stored_job(row)
        jobs[job.id] = job
        size += sum(len(row[place]) for place in _TEXTS if row[place] is not None)
        if size > READ_BYTES:
            size = 0
            yield Pause()
    return jobs


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


def get_finished(store: Store, ids: Sequence[uuid.UUID]) -> Flow[tuple[set[uuid.UUID], dict[uuid.UUID, QueuedJob]]]:
    """Which of these jobs exist, and those of them that are finished."""
    rows = yield store.query("find_finished", ids=list(ids))
    found = [id_ for id_, finished in rows if finished]
    jobs: dict[uuid.UUID, QueuedJob] = {}
    for start in range(0, len(found), GET_MAX):
        jobs.update((yield from get_jobs(store, found[start : start + GET_MAX])))
    return {id_ for id_, _ in rows}, {id_: job for id_, job in jobs.items() if job.state.finished}


def count_live(store: Store) -> Flow[dict[str, dict[str, int]]]:
    """How many live jobs each queue has, by state."""
    counts: dict[str, dict[str, int]] = {}
    for queue, state, count in (yield store.query("count_live")):
        counts.setdefault(queue, {})[state] = count
    return counts
