"""Unique keys: who holds those of a push, and what becomes of the push then."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from chancy_core.errors import UniqueKeyTaken
from chancy_core.store.flow import Flow
from chancy_core.store.insertparams import insert_params
from chancy_core.store.jobrows import JobRow
from chancy_core.store.notices import notice_of
from chancy_core.store.queues import check_queues
from chancy_core.store.store import Store
from chancy_core.values.notices import Notice


class Holder(NamedTuple):
    """The job that holds the unique key of a push.

    Attributes:
        id: its id.
        state: its state, as it was seen.
        replaceable: whether it waits, so that a push may replace it.
        queue: where it is.
        replaced: whether the push has replaced it.
    """

    id: uuid.UUID
    state: str
    replaceable: bool
    queue: str
    replaced: bool = False


# What is known of the rows of a push, by their ids: who holds the key of each; None: it was stored.
Settled: TypeAlias = dict[str, Holder | None]
# Rows that are to replace the job that holds their key.
Replacing: TypeAlias = list[tuple[JobRow, Holder]]


def order(row: JobRow) -> tuple[str, str]:
    """The order in which keys are taken, so that those who take several wait for each other in one order."""
    return row.unique_while, row.unique_key or ""


def refusal(row: JobRow, holder: Holder | None) -> UniqueKeyTaken | None:
    """What to raise for a push whose key is taken, if that is what its job asks for."""
    if holder is None or row.on_conflict == "existing" or holder.replaced:
        return None
    key = row.unique_key or ""
    if row.on_conflict == "raise":
        text = (
            f"The unique key {key!r} is taken by the job {holder.id}, which is {holder.state}, so {row.func} was not "
            "stored. on_conflict='existing' returns that job's reference, and 'replace' replaces it while it waits."
        )
    else:
        text = (
            f"The unique key {key!r} is taken by the job {holder.id}, which is {_doing(holder)}, so it cannot be "
            f"replaced, and {row.func} was not stored. With unique_while='waiting' one may wait while another runs."
        )
    return UniqueKeyTaken(text, unique_key=key, job_id=holder.id, state=holder.state)


def _doing(holder: Holder) -> str:
    return holder.state if holder.state == "running" else f"{holder.state}, and being cancelled"


def find_holders(store: Store, rows: Sequence[JobRow]) -> Flow[dict[str, Holder]]:
    """Who holds the keys of these rows, by key. The rows are all of one `unique_while`."""
    statement = "find_waiting" if rows[0].waits else "find_by_unique_key"
    found = yield store.query(statement, keys=list({row.unique_key for row in rows}))
    return {key: Holder(*holder) for key, *holder in found}


def replace_jobs(store: Store, replacing: Replacing, patience: str | None) -> Flow[Settled]:
    """Let rows replace the jobs that hold their keys; of several for one job the last one counts.

    Returns:
        Those that have. What is missing runs by now, or has ended.
    """
    last = {holder.id: row for row, holder in replacing}
    rows = [last[id_] for id_ in sorted(last)]
    payloads = [notice.encoded for notice in _notices(rows)] if store.notifications else []
    params = {**insert_params(rows), "payloads": payloads, "channel": store.channel, "patience": patience}
    answer = yield store.query("replace_jobs", **params, holder=sorted(last))
    if not answer:
        yield from check_queues(store, params["queues"])
    done = {id_ for id_, _ in answer}
    return {row.id: holder._replace(replaced=True) for row, holder in replacing if holder.id in done}


def hold_waiting(store: Store, holders: Mapping[str, Holder]) -> Flow[set[uuid.UUID]]:
    """Keep jobs that wait from being started before this transaction ends, and have the workers look again then.

    Otherwise one of them could run before what the caller has written can be seen, and the push would be lost.

    Returns:
        The ids of those that wait.
    """
    rows = yield store.query("hold_waiting", ids=[holder.id for holder in holders.values()])
    # A claim that has met a locked row has gone past it, and no other notice tells of that.
    yield from store.notify(sorted({Notice.back(holder.queue) for holder in holders.values()}))
    return {id_ for (id_,) in rows}


def _notices(rows: Iterable[JobRow]) -> list[Notice]:
    """What the workers have to hear of jobs that were replaced: their ids are older than what was claimed last."""
    now = datetime.now(UTC)
    found = {
        Notice.back(row.queue) if row.scheduled_at is None or row.scheduled_at <= now else notice_of(row)
        for row in rows
    }
    return sorted(notice for notice in found if notice is not None)
