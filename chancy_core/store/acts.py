"""Act on some jobs in one transaction: cancel, retry, delete and change them, and say what was not done, and why."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

import psycopg

from chancy_core.errors import InvalidJob
from chancy_core.store.arrays import unquoted_array
from chancy_core.store.flow import Flow
from chancy_core.store.notices import unheard
from chancy_core.store.queues import check_queues
from chancy_core.store.snapshot import Batch
from chancy_core.store.store import Store
from chancy_core.store.weather import text_of
from chancy_core.values.found import Hit
from chancy_core.values.notices import Notice
from chancy_core.values.queuedjob import Cancellation, State

KEY_TAKEN: Final = "unique key taken"
RUNNING: Final = "running"
FINISHED: Final = "finished"
NOT_FINISHED: Final = "not finished"
CHANGED: Final = "changed meanwhile"
GONE: Final = "gone"
# What may be done, in a look before it.
FOUND: Final = "found"
# Where a job is now that was left as it is.
LIVE: Final = "live"
OVER: Final = "over"


class Done(NamedTuple):
    """What was done to some jobs, and what was not, each with how many."""

    done: Mapping[str, int]
    skipped: Mapping[str, int]


class Change(NamedTuple):
    """What is to be changed of jobs that wait.

    Attributes:
        priority: the new priority; None: as it is.
        queue: the new queue; None: as it is.
        reschedule: whether `scheduled_at` counts.
        scheduled_at: when it is to be run; None: as soon as possible.
    """

    priority: int | None = None
    queue: str | None = None
    reschedule: bool = False
    scheduled_at: datetime | None = None


# Jobs as they were found, which are touched only while they are so; or only their ids.
Asked: TypeAlias = "Batch | Sequence[uuid.UUID]"
Act: TypeAlias = Callable[[Store, Asked], Flow[Done]]


def cancel(store: Store, asked: Asked, note: str) -> Flow[Done]:
    """Cancel jobs, and tell the workers that run some of them."""
    try:
        rows = yield store.ending("cancel_jobs", **_named(asked), note=note)
    except psycopg.DataError as error:
        raise InvalidJob(f"reason is {note!r:.60}, which the database cannot store: {text_of(error)}.") from error
    workers = sorted({row[2] for row in rows if row[2] is not None})
    yield from store.notify([*unheard(rows), *(Notice.cancel(worker) for worker in workers)])
    came = {row[0]: row[1] for row in rows}
    finished = Counter(FINISHED for what in came.values() if what == Cancellation.FINISHED)
    done = Counter(what for what in came.values() if what != Cancellation.FINISHED)
    return Done(done, finished + (yield from _left(store, asked, came, {LIVE: CHANGED, OVER: FINISHED})))


def retry(store: Store, asked: Asked) -> Flow[Done]:
    """Bring finished jobs back."""
    rows = yield store.ending("retry_jobs", **_named(asked))
    # They go to few queues: a notice for each of these, and not for each job.
    back = {(row[2], row[4] == State.SCHEDULED) for row in rows}
    tell = [Notice.due(queue) if later else Notice.back(queue) for queue, later in back]
    yield from store.notify([*unheard(rows), *sorted(tell)])
    came = {row[0] for row in rows}
    left = yield from _left(store, asked, came, {LIVE: NOT_FINISHED, OVER: KEY_TAKEN})
    return Done(Counter(retried=len(came)), left)


def delete(store: Store, asked: Asked) -> Flow[Done]:
    """Forget finished jobs."""
    rows = yield store.query("delete_jobs", **_named(asked))
    came = {row[0] for row in rows}
    left = yield from _left(store, asked, came, {LIVE: NOT_FINISHED, OVER: CHANGED})
    return Done(Counter(deleted=len(came)), left)


def update(store: Store, asked: Asked, change: Change) -> Flow[Done]:
    """Change jobs that wait, and tell the workers. Raises UnknownQueue."""
    if change.queue is not None:
        yield from check_queues(store, [change.queue])
    rows = yield store.query("update_jobs", **_named(asked), **change._asdict())
    back = {(queue, state == State.PENDING) for _, queue, state in rows}
    tell = [Notice.back(queue) if now else Notice.due(queue) for queue, now in back]
    yield from store.notify(sorted(tell))
    came = {row[0] for row in rows}
    left = yield from _left(store, asked, came, {RUNNING: RUNNING, LIVE: CHANGED, OVER: FINISHED})
    return Done(Counter(updated=len(came)), left)


def look(store: Store, asked: Asked, wanted: Sequence[State]) -> Flow[Done]:
    """How many of these jobs are in one of these states, as FOUND; and what the others are."""
    ids = list(asked.hits()) if isinstance(asked, Batch) else list(asked)
    rows = yield store.query("find_runs", id=ids)
    found = Counter(FOUND if row[3] in wanted else row[3] for row in rows)
    skipped = Counter({state: number for state, number in found.items() if state != FOUND})
    skipped[GONE] = len(ids) - len(rows)
    return Done(Counter({FOUND: found[FOUND]}), +skipped)


def is_busy(store: Store) -> Flow[bool]:
    """Whether workers run jobs now."""
    ((found,),) = yield store.query("is_busy")
    return bool(found)


def _named(asked: Asked) -> dict[str, Any]:
    """The parameters that say which jobs are meant."""
    if isinstance(asked, Batch):
        return asked.params()
    return {"ids": unquoted_array(id_.hex for id_ in asked), "states": None, "claims": None}


def _left(store: Store, asked: Asked, came: Iterable[uuid.UUID], reasons: Mapping[str, str]) -> Flow[Counter[str]]:
    """Why jobs were left as they are.

    Args:
        store: the statements.
        asked: the jobs that were meant.
        came: those to which something was done.
        reasons: what it means of the others that they are RUNNING, LIVE or OVER now.
    """
    came = set(came)
    if len(came) == len(asked):
        return Counter()
    found: Mapping[uuid.UUID, Hit | None] = asked.hits() if isinstance(asked, Batch) else dict.fromkeys(asked)
    left = found.keys() - came
    if not left:
        return Counter()
    why: Counter[str] = Counter()
    seen = set()
    for id_, claims, _, state, _, live in (yield store.query("find_runs", id=list(left))):
        seen.add(id_)
        hit = found[id_]
        reason = reasons[LIVE if live else OVER]
        if live and state == State.RUNNING:
            reason = reasons.get(RUNNING, reason)
        elif reason == KEY_TAKEN and hit is not None and (hit.claims, hit.state) != (claims, state):
            reason = CHANGED
        why[reason] += 1
    why[GONE] += len(left - seen)
    return +why
