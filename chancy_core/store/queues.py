"""Declare queues, look at them, pause them, and delete them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import psycopg

from chancy_core.errors import InvalidQueue, UnknownQueue, nearest
from chancy_core.store.flow import Flow
from chancy_core.store.notices import unheard
from chancy_core.store.store import Store
from chancy_core.store.storedqueues import queue_of, queues_of
from chancy_core.store.weather import text_of
from chancy_core.values.notices import Notice
from chancy_core.values.queue import DEFAULT_QUEUE, NAME_PATTERN, NAME_RULE, Queue, QueueState, UnreadableQueue

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
            f"{nearest(name, (row[0] for row in known))} {_to_make(name)}"
        )


def _to_make(name: str) -> str:
    """How a queue is made, for whoever has none of that name."""
    if not NAME_PATTERN.fullmatch(name):
        return f"It cannot be declared either: names of queues have {NAME_RULE}."
    key = name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
    return (
        f"To make it: await chancy.declare(Queue({name!r})) in code, a table [queues.{key}] in chancy.toml, or "
        f"`chancy queue declare {name}` on the command line."
    )


def declare_queue(
    store: Store,
    queue: Queue,
    *,
    upsert: bool,
    settings: Mapping[str, Any] | None = None,
    if_changed: bool = False,
) -> Flow[Queue]:
    """Declare a queue, and tell the workers.

    Args:
        store: the statements.
        queue: the queue.
        upsert: whether an existing one is changed to it.
        settings: what the settings say of it, if they do: they are not applied again before they say something else.
        if_changed: leave an existing one alone unless they do.

    Returns:
        The queue as it now stands.
    """
    fields = msgspec.structs.asdict(queue)
    try:
        fields["executor_options"] = msgspec.json.encode(queue.executor_options).decode()
    except (TypeError, UnicodeEncodeError) as error:
        raise InvalidQueue(f"Queue {queue.name!r}: executor_options is not JSON: {error}.") from None
    fields["executor"] = str(queue.executor)
    fields["state"] = str(queue.state)
    fields["configured"] = None if settings is None else _configured(settings)
    try:
        rows = yield store.query("declare_queue", **fields, upsert=upsert, if_changed=if_changed)
    except psycopg.DataError as error:
        raise InvalidQueue(f"The database cannot store the queue {queue.name!r}: {text_of(error)}.") from error
    if not rows:
        return (yield from get_queue(store, queue.name))
    yield from store.notify([Notice.queues(queue.name)])
    return queue_of(rows[0])


def declare_missing(store: Store, settings: Mapping[str, Mapping[str, Any]]) -> Flow[list[str]]:
    """Declare those queues of the settings that are not there. Returns their names; all others stay as they are."""
    if not settings:
        return []
    missing = yield store.query("unknown_queues", names=list(settings))
    for (name,) in missing:
        yield from declare_queue(store, Queue(name, **settings[name]), upsert=False, settings=settings[name])
    return [name for (name,) in missing]


def apply_settings(store: Store, settings: Mapping[str, Mapping[str, Any]]) -> Flow[None]:
    """Make the queues what the settings say, as far as these have changed since they were last applied."""
    for name, fields in settings.items():
        yield from declare_queue(store, Queue(name, **fields), upsert=True, settings=fields, if_changed=True)


def _configured(settings: Mapping[str, Any]) -> str:
    return msgspec.json.encode(settings, order="deterministic").decode()


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


class Pause(NamedTuple):
    """A pause that somebody wants.

    Attributes:
        by: who that is.
        reason: why; None: nobody says.
        until: when it is over.
        for_s: or after how many seconds. Without either, it lasts until somebody resumes the queue.
    """

    by: str
    reason: str | None = None
    until: datetime | None = None
    for_s: float | None = None


def pause_queue(store: Store, name: str, pause: Pause) -> Flow[None]:
    """Pause a queue, and tell the workers.

    Args:
        store: the statements.
        name: the queue.
        pause: until when, and why.

    Raises:
        UnknownQueue: nobody declared it.
        InvalidQueue: it would be over already.
    """
    yield from _set_state(store, name, pause)


def check_to_come(store: Store, name: str, until: datetime | None) -> Flow[None]:
    """Raise InvalidQueue if a pause until then would be over already, by the database's clock."""
    if until is None:
        return
    ((now,),) = yield store.query("now")
    if until <= now:
        raise InvalidQueue(
            f"Queue {name!r}: resume_at is {until}, which is over: the database's clock says {now}. Give a moment "
            "to come, or a timedelta. Nothing was changed."
        )


def resume_queue(store: Store, name: str) -> Flow[None]:
    """Resume a queue, and tell the workers. Raises UnknownQueue."""
    yield from _set_state(store, name, None)


def _set_state(store: Store, name: str, pause: Pause | None) -> Flow[None]:
    by, reason, until, for_s = pause if pause is not None else (None, None, None, None)
    state = QueueState.ACTIVE if pause is None else QueueState.PAUSED
    rows = yield store.query(
        "set_queue_state",
        name=name,
        state=state.value,
        resume_at=until,
        resume_in_s=for_s,
        paused_by=by,
        reason=reason,
    )
    if not rows:
        yield from check_queues(store, [name])
        yield from check_to_come(store, name, until)
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
