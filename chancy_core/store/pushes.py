"""Store jobs: a few in one statement, those whose answer was lost once more, and many by COPY."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

import psycopg

from chancy_core.errors import ChancyError
from chancy_core.store.explaining import raise_explained
from chancy_core.store.flow import CopyIn, Flow, Pause, Query
from chancy_core.store.insertparams import insert_one_params, insert_params, simple_params
from chancy_core.store.jobrows import JobRow, batches
from chancy_core.store.jobs import find_finished
from chancy_core.store.lines import Lines
from chancy_core.store.queues import check_queues
from chancy_core.store.store import Store
from chancy_core.store.weather import notify_queue_full
from chancy_core.values.notices import Notice

# Each round of a unique push that finds neither room nor holder means that a holder finished in between.
UNIQUE_ROUNDS: Final = 20


def insert_jobs(
    store: Store, rows: Sequence[JobRow], notices: Sequence[Notice], *, patience_ms: int | None = None
) -> Flow[dict[str, uuid.UUID]]:
    """Store jobs, and send `notices` in the same statement.

    Args:
        store: the names of the schema.
        rows: the jobs.
        notices: what the workers have to hear. They find it without, so none of it keeps a job from being stored.
        patience_ms: how long to wait for a transaction that is about to take a unique key; None: as the session
            does. In a transaction this applies to the rest of it.

    Returns:
        For each row that was not stored because its unique key is taken: its id, and the id of
        the job that holds the key.

    Raises:
        UnknownQueue: a queue nobody declared; nothing was inserted.
        InvalidJob: a single job that the database cannot store.
    """
    patience = None if patience_ms is None else str(patience_ms)
    try:
        return (yield from _insert_rows(store, rows, notices, patience))
    except psycopg.errors.ProgramLimitExceeded as error:
        if not notices or not notify_queue_full(error):
            raise_explained(rows, error)
    except (psycopg.Error, UnicodeError) as error:
        raise_explained(rows, error)
    return (yield from _insert_rows(store, rows, (), patience))


def _insert_rows(
    store: Store, rows: Sequence[JobRow], notices: Sequence[Notice], patience: str | None
) -> Flow[dict[str, uuid.UUID]]:
    taken: dict[str, uuid.UUID] = {}
    if len(rows) == 1 and len(notices) <= 1:
        params = simple_params(rows[0])
        name = "insert_job" if params is None else "insert_simple_job"
        params = params or {**insert_one_params(rows[0]), "patience": patience}
        params["payload"] = notices[0].encoded if notices else None
        params["channel"] = store.channel
        if (yield Query(store.statement(name), params)):
            return taken
        # Its key is taken, or its queue unknown: the statement for many finds out.
    if any(row.unique_key for row in rows):
        rows = sorted(rows, key=lambda row: row.unique_key or "")
    payloads = [notice.encoded for notice in notices]
    for _ in range(UNIQUE_ROUNDS):
        params = {**insert_params(rows), "payloads": payloads, "channel": store.channel, "patience": patience}
        answer = yield store.query("insert_jobs", **params)
        if len(answer) == len(rows):
            return taken
        if not answer:
            yield from check_queues(store, params["queues"])
        stored = {str(id_) for id_, _ in answer}
        rows = [row for row in rows if row.id not in stored]
        holders: dict[str, uuid.UUID] = dict(
            (yield store.query("find_by_unique_key", keys=[row.unique_key for row in rows]))
        )
        taken |= {row.id: holders[row.unique_key] for row in rows if row.unique_key in holders}
        rows = [row for row in rows if row.unique_key not in holders]
        if not rows:
            return taken
    raise ChancyError(
        f"The unique key {rows[0].unique_key!r} was taken and free again {UNIQUE_ROUNDS} times in a "
        "row while this job was pushed: its jobs finish faster than they can be counted. Push it again."
    )


def insert_again(
    store: Store, rows: Sequence[JobRow], notices: Sequence[Notice], *, patience_ms: int | None = None
) -> Flow[dict[str, uuid.UUID]]:
    """As `insert_jobs`, on a connection of ours, after an answer was lost: nobody knows whether these rows were stored.

    It may be repeated any number of times. Whatever stores the same rows late, from a session that could not be
    ended, is refused by their ids, or found by `drop_doubles`.
    """
    for _ in range(UNIQUE_ROUNDS):
        yield Query(b"BEGIN ISOLATION LEVEL READ COMMITTED")
        try:
            there = yield from find_finished(store, [uuid.UUID(row.id) for row in rows])
            left = [row for row in rows if uuid.UUID(row.id) not in there]
            taken = (yield from insert_jobs(store, left, notices, patience_ms=patience_ms)) if left else {}
            # A row that was stored meanwhile holds its own key.
            taken = {id_: holder for id_, holder in taken.items() if str(holder) != id_}
            if left:
                yield store.query("drop_doubles", ids=[uuid.UUID(row.id) for row in left])
            yield Query(b"COMMIT")
        except psycopg.errors.UniqueViolation:
            # The first attempt has arrived just now.
            yield Query(b"ROLLBACK")
        except psycopg.errors.ProgramLimitExceeded as error:
            if not notices or not notify_queue_full(error):
                raise
            notices = ()
        except BaseException:
            with suppress(psycopg.Error):
                yield Query(b"ROLLBACK")
            raise
        else:
            return taken
    raise ChancyError(f"Job {rows[0].id} could neither be stored nor found. Push it again.")


def insert_many(
    store: Store,
    lines: Lines,
    chunks: Iterator[list[Any]],
    declared: set[str],
    taken: dict[str, uuid.UUID],
    *,
    patience_ms: int | None = None,
) -> Flow[None]:
    """Store many jobs, by COPY where nothing forbids it.

    Args:
        store: the names of the schema.
        lines: makes the lines of the jobs, while the server reads those before them.
        chunks: the jobs.
        declared: queues that need not be looked up again; those that were are added.
        taken: what `insert_jobs` returns is added.
        patience_ms: as for `insert_jobs`.

    Raises:
        UnknownQueue: as `insert_jobs`.
        InvalidJob: a job that cannot be stored. Those before it were written: roll back.
    """
    lines.read(chunks)
    while queues := lines.queues():
        if new := queues - declared:
            yield from check_queues(store, new)
            declared |= new
        parts = lines.parts(declared)
        first = b""
        for first in parts:
            if first:
                break
            yield Pause()
        if first:
            try:
                yield CopyIn(store.statement("copy_jobs"), chain((first,), parts))
            except psycopg.Error as error:
                raise_explained((), error)
        if lines.unique and lines.failure is None:
            # In one order over all the statements: two pushes of the same keys wait for each other in order.
            for rows in batches(sorted(lines.unique, key=lambda row: row.unique_key or "")):
                taken |= yield from insert_jobs(store, rows, (), patience_ms=patience_ms)
            lines.unique.clear()
    if lines.failure is not None:
        raise lines.failure


def holders(store: Store, age_s: float) -> Flow[str]:
    """The transactions that may be holding up a push, in words."""
    rows = yield store.query("find_writers", jobs=f'"{store.schema}".jobs', age_s=age_s)
    return "; ".join(
        f"session {pid} ({name or 'of another role'}, user {user or '?'}, {state or 'state unknown'}, "
        f"in a transaction for {seconds or 0:.0f} s)"
        for pid, name, user, state, seconds in rows
    )
