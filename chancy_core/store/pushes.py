"""Store jobs: a few in one statement, those whose answer was lost once more, and many by COPY."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final, NamedTuple

import psycopg

from chancy_core.errors import ChancyError
from chancy_core.store.explaining import raise_explained
from chancy_core.store.flow import CopyIn, Flow, Pause, Query
from chancy_core.store.insertparams import insert_one_params, insert_params, simple_params
from chancy_core.store.jobrows import JobRow, batches
from chancy_core.store.jobs import find_finished
from chancy_core.store.keys import (
    Holder,
    Replacing,
    Settled,
    find_holders,
    hold_waiting,
    order,
    refusal,
    replace_jobs,
)
from chancy_core.store.lines import Lines
from chancy_core.store.queues import check_queues
from chancy_core.store.store import Store
from chancy_core.store.weather import notify_queue_full
from chancy_core.store.write import confirm
from chancy_core.values.notices import Notice

# Each round of a unique push that finds neither room nor holder means that a holder finished in between.
UNIQUE_ROUNDS: Final = 20


class BulkState(NamedTuple):
    """What is known of a bulk push.

    Attributes:
        declared: queues that need not be looked up again; those that were are added.
        taken: what `insert_jobs` returns is added.
        patience_ms: as for `insert_jobs`; None: it is in somebody's transaction.
    """

    declared: set[str]
    taken: dict[str, Holder]
    patience_ms: int | None


def insert_jobs(
    store: Store,
    rows: Sequence[JobRow],
    notices: Sequence[Notice],
    *,
    patience_ms: int | None = None,
    hold: bool = False,
    settled: Settled | None = None,
    later: Replacing | None = None,
) -> Flow[dict[str, Holder]]:
    """Store jobs, and send `notices` in the same statement.

    Args:
        store: the names of the schema.
        rows: the jobs.
        notices: what the workers have to hear. They find it without, so none of it keeps a job from being stored.
        patience_ms: how long to wait for a transaction that is about to take a unique key; None: as the session
            does. In a transaction this applies to the rest of it.
        hold: whether this is in a transaction that somebody goes on with; see `hold_waiting`.
        settled: what is known of the rows, should this fail half-way and not be in a transaction. It is added to.
        later: if given, rows that are to replace others are put in here instead.

    Returns:
        For each row that was not stored because its unique key is taken: its id, and the job that
        holds the key. Whether that is an error, `refusal` says.

    Raises:
        UnknownQueue: a queue nobody declared; nothing was inserted.
        InvalidJob: a single job that the database cannot store.
    """
    settled = {} if settled is None else settled
    how = _How(None if patience_ms is None else str(patience_ms), hold, settled, later)
    try:
        yield from _insert_rows(store, rows, notices, how)
    except psycopg.errors.ProgramLimitExceeded as error:
        if not notices or not notify_queue_full(error):
            raise_explained(rows, error)
        yield from _insert_explained(store, [row for row in rows if row.id not in settled], how)
    except (psycopg.Error, UnicodeError) as error:
        raise_explained(rows, error)
    return {id_: holder for id_, holder in settled.items() if holder is not None} if settled else {}


def insert_together(store: Store, rows: Sequence[JobRow], notices: Sequence[Notice]) -> Flow[None]:
    """As `insert_jobs`, for a bulk push of few jobs without unique keys: by one statement, all or none."""
    try:
        yield from insert_jobs(store, rows, notices)
    except (psycopg.Error, UnicodeError) as error:
        # Nobody tries each of them alone.
        raise_explained((), error)


class _How(NamedTuple):
    """How rows are stored: see `insert_jobs`."""

    patience: str | None
    hold: bool
    settled: Settled
    later: Replacing | None


def _insert_explained(store: Store, rows: Sequence[JobRow], how: _How) -> Flow[None]:
    try:
        yield from _insert_rows(store, rows, (), how)
    except (psycopg.Error, UnicodeError) as error:
        raise_explained(rows, error)


def _insert_rows(store: Store, rows: Sequence[JobRow], notices: Sequence[Notice], how: _How) -> Flow[None]:
    if len(rows) == 1 and len(notices) <= 1 and (rows[0].unique_key is None or not rows[0].waits):
        params = simple_params(rows[0])
        name = "insert_job" if params is None else "insert_simple_job"
        params = params or {**insert_one_params(rows[0]), "patience": how.patience}
        params["payload"] = notices[0].encoded if notices else None
        params["channel"] = store.channel
        if (yield Query(store.statement(name), params)):
            return
        # Its key is taken, or its queue unknown: the statement for many finds out.
    if not any(row.unique_key for row in rows):
        yield from _insert_kind(store, "insert_jobs", rows, notices, how)
        return
    rows = sorted(rows, key=order)
    for statement, waits in (("insert_jobs", False), ("insert_waiting", True)):
        kind = [row for row in rows if row.waits is waits]
        if kind:
            yield from _insert_kind(store, statement, kind, notices, how)


def _insert_kind(
    store: Store, statement: str, rows: Sequence[JobRow], notices: Sequence[Notice], how: _How
) -> Flow[None]:
    """Store rows whose keys are all of one `unique_while`."""
    payloads = [notice.encoded for notice in notices]
    for _ in range(UNIQUE_ROUNDS):
        params = {**insert_params(rows), "payloads": payloads, "channel": store.channel, "patience": how.patience}
        answer = yield store.query(statement, **params)
        if len(answer) == len(rows):
            return
        if not answer:
            yield from check_queues(store, params["queues"])
        how.settled.update(dict.fromkeys((str(id_) for id_, _ in answer), None))
        rows = yield from _settle(store, [row for row in rows if row.id not in how.settled], how)
        if not rows:
            return
    raise ChancyError(
        f"The unique key {rows[0].unique_key!r} was taken and free again {UNIQUE_ROUNDS} times in a "
        "row while this job was pushed: its jobs finish faster than they can be counted. Push it again."
    )


def _settle(store: Store, rows: list[JobRow], how: _How) -> Flow[list[JobRow]]:
    """Do what is to be done with rows whose keys were taken. Returns those whose keys are free again by now."""
    holders = yield from find_holders(store, rows)
    replacing: Replacing = []
    held: dict[str, Holder] = {}
    for row in rows:
        holder = holders.get(row.unique_key or "")
        if holder is None:
            continue
        if row.on_conflict == "replace" and holder.replaceable and str(holder.id) != row.id:
            replacing.append((row, holder))
        elif how.hold and row.waits and row.on_conflict == "existing":
            held[row.id] = holder
        else:
            how.settled[row.id] = holder
    if held:
        waiting = yield from hold_waiting(store, held)
        how.settled.update({id_: holder for id_, holder in held.items() if holder.id in waiting})
    if how.later is not None:
        how.later.extend(replacing)
        later = {row.id for row, _ in replacing}
        return [row for row in rows if row.id not in how.settled and row.id not in later]
    if replacing:
        how.settled.update((yield from replace_jobs(store, replacing, how.patience)))
    return [row for row in rows if row.id not in how.settled]


def insert_again(
    store: Store, rows: Sequence[JobRow], notices: Sequence[Notice], *, patience_ms: int | None = None
) -> Flow[dict[str, Holder]]:
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
            taken = {id_: holder for id_, holder in taken.items() if str(holder.id) != id_}
            if left:
                yield store.query("drop_doubles", ids=[uuid.UUID(row.id) for row in left])
            # Nothing may have been written here: then COMMIT alone would wait for no standby.
            yield from confirm()
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


def insert_many(store: Store, lines: Lines, chunks: Iterator[list[Any]], bulk: BulkState) -> Flow[None]:
    """Store many jobs, by COPY where nothing forbids it. Those with unique keys come with `insert_keyed`, at the end.

    Args:
        store: the names of the schema.
        lines: makes the lines of the jobs, while the server reads those before them.
        chunks: the jobs.
        bulk: what is known of the whole push.

    Raises:
        UnknownQueue: as `insert_jobs`.
        InvalidJob: a job that cannot be stored. Those before it were written: roll back.
    """
    lines.read(chunks)
    while queues := lines.queues():
        if new := queues - bulk.declared:
            yield from check_queues(store, new)
            bulk.declared.update(new)
        parts = lines.parts(bulk.declared)
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
        if lines.full and lines.failure is None:
            yield from insert_keyed(store, lines, bulk)
    if lines.failure is not None:
        raise lines.failure


def insert_keyed(store: Store, lines: Lines, bulk: BulkState) -> Flow[None]:
    """Store the jobs of a bulk push that have unique keys, those of `lines` so far.

    All of them are stored in one order before any of them replaces another, and that is done in one order too: two
    pushes of the same keys wait for each other, and never each for the other.

    Raises:
        UniqueKeyTaken: the key of one is taken, and its job asks for that. Others were written: roll back.
    """
    rows = sorted(lines.take_unique(), key=order)
    later: Replacing = []
    for some in batches(rows):
        taken = yield from insert_jobs(
            store, some, (), patience_ms=bulk.patience_ms, hold=bulk.patience_ms is None, later=later
        )
        _keep(some, taken, bulk)
        yield Pause()
    # In a stable order, so that of several jobs with one key the last one counts.
    later.sort(key=lambda pair: pair[1].id)
    of = {row.id: holder for row, holder in later}
    for some in batches([row for row, _ in later]):
        patience = None if bulk.patience_ms is None else str(bulk.patience_ms)
        done = yield from replace_jobs(store, [(row, of[row.id]) for row in some], patience)
        left = [row for row in some if row.id not in done]
        # What held their keys has been started, or has ended, just now.
        taken = (yield from insert_jobs(store, left, (), patience_ms=bulk.patience_ms)) if left else {}
        _keep(some, {**taken, **{id_: holder for id_, holder in done.items() if holder}}, bulk)


def _keep(rows: Sequence[JobRow], taken: dict[str, Holder], bulk: BulkState) -> None:
    for row in rows:
        refused = refusal(row, taken.get(row.id)) if row.on_conflict != "existing" else None
        if refused is not None:
            raise refused
    bulk.taken.update(taken)


def holders(store: Store, age_s: float) -> Flow[str]:
    """The transactions that may be holding up a push, in words."""
    rows = yield store.query("find_writers", jobs=f'"{store.schema}".jobs', age_s=age_s)
    return "; ".join(
        f"session {pid} ({name or 'of another role'}, user {user or '?'}, {state or 'state unknown'}, "
        f"in a transaction for {seconds or 0:.0f} s)"
        for pid, name, user, state, seconds in rows
    )
