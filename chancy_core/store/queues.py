"""Declare queues, look at them, pause them, and delete them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import psycopg

from chancy_core.errors import InvalidQueue, UnknownQueue, nearest
from chancy_core.store.flow import Flow
from chancy_core.store.notices import unheard
from chancy_core.store.store import Store
from chancy_core.store.storedqueues import queue_of, queues_of
from chancy_core.store.weather import text_of
from chancy_core.values.notices import Notice
from chancy_core.values.queue import DEFAULT_QUEUE, Queue, UnreadableQueue

# So many of a deleted queue's jobs are cancelled in one statement.
PURGE_BATCH: Final = 1000


def check_queues(store: Store, names: Iterable[str]) -> Flow[None]:
    """Raise UnknownQueue, with the nearest name, unless all these queues are declared."""
    unknown = yield store.query("unknown_queues", names=list(names))
    if unknown:
        name = unknown[0][0]
        known = yield store.query("get_queues", names=None)
        raise UnknownQueue(
            f"Queue {name!r} was never declared in schema {store.schema!r}."
            f"{nearest(name, (row[0] for row in known))} To make it: declare(Queue({name!r}))."
        )


def declare_queue(store: Store, queue: Queue, *, upsert: bool) -> Flow[Queue]:
    """Declare a queue, and tell the workers. Returns it as it now stands."""
    fields = msgspec.structs.asdict(queue)
    try:
        fields["executor_options"] = msgspec.json.encode(queue.executor_options).decode()
    except (TypeError, UnicodeEncodeError) as error:
        raise InvalidQueue(f"Queue {queue.name!r}: executor_options is not JSON: {error}.") from None
    fields["executor"] = str(queue.executor)
    fields["state"] = str(queue.state)
    try:
        rows = yield store.query("declare_queue", **fields, upsert=upsert)
    except psycopg.DataError as error:
        raise InvalidQueue(f"The database cannot store the queue {queue.name!r}: {text_of(error)}.") from error
    if not rows:
        return (yield from get_queue(store, queue.name))
    yield from store.notify([Notice.queues(queue.name)])
    return queue_of(rows[0])


def get_queues(store: Store, names: Sequence[str] | None = None) -> Flow[list[Queue]]:
    """The declared queues that can be read, in the order of their names."""
    found, _ = yield from look_at_queues(store, names)
    return found


def look_at_queues(store: Store, names: Sequence[str] | None = None) -> Flow[tuple[list[Queue], list[UnreadableQueue]]]:
    """The declared queues that can be read, and those that cannot."""
    rows = yield store.query("get_queues", names=None if names is None else list(names))
    return queues_of(rows)


def get_unreadable_queues(store: Store) -> Flow[list[UnreadableQueue]]:
    """The declared queues that cannot be read."""
    _, unreadable = yield from look_at_queues(store)
    return unreadable


def get_queue(store: Store, name: str) -> Flow[Queue]:
    """One queue. Raises UnknownQueue, and InvalidQueue if it cannot be read."""
    found, unreadable = yield from look_at_queues(store, [name])
    if unreadable:
        raise InvalidQueue(unreadable[0].problem)
    if not found:
        yield from check_queues(store, [name])
    return found[0]


def set_queue_state(store: Store, name: str, state: str, resume_at: Any) -> Flow[None]:
    """Pause or resume a queue, and tell the workers. Raises UnknownQueue."""
    rows = yield store.query("set_queue_state", name=name, state=state, resume_at=resume_at)
    if not rows:
        yield from check_queues(store, [name])
    yield from store.notify([Notice.queues(name)])


def delete_queue(store: Store, name: str, *, purge_jobs: bool) -> Flow[int]:
    """Forget a queue; with `purge_jobs`, cancel its jobs that are not running.

    Without, they stay stored, and run once a queue of that name is declared again.

    Returns:
        How many jobs were cancelled, or stay behind.

    Raises:
        UnknownQueue: it was never declared.
        InvalidQueue: it is the default queue, which pushes rely on.
    """
    if name == DEFAULT_QUEUE:
        raise InvalidQueue(f"The queue {name!r} cannot be deleted: pushes rely on it. Pause it instead.")
    if not (yield store.query("delete_queue", name=name)):
        yield from check_queues(store, [name])
    yield from store.notify([Notice.queues(name)])
    if not purge_jobs:
        ((left,),) = yield store.query("count_jobs", name=name)
        return int(left)
    purged = 0
    note = f"The queue {name!r} was deleted."
    while True:
        gone = yield store.ending("purge_jobs", name=name, limit=PURGE_BATCH, note=note)
        purged += len(gone)
        yield from store.notify(unheard(gone))
        if len(gone) < PURGE_BATCH:
            return purged
