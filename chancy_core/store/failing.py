"""Find what fails, and put together what fails in the same way."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from chancy_core.store.flow import Flow, Pause, Query
from chancy_core.store.looking import Search, begin, explain
from chancy_core.store.store import Store
from chancy_core.values.failures import FailureGroup, Failures, own_frame
from chancy_core.values.jobfilter import JobFilter
from chancy_core.values.queuedjob import State

# A traceback has up to 8,000 characters, so that this is a megabyte or two.
_AT_ONCE: Final = 500


@dataclass
class _Group:
    count: int = 0
    retrying: int = 0
    message: str = ""
    first_at: datetime | None = None
    last_at: datetime | None = None
    newest: uuid.UUID | None = None

    def add(self, row: Sequence[Any]) -> None:
        id_, state, _, _, message, _, at = row
        self.count += 1
        self.retrying += state == State.RETRYING
        if self.newest is None:
            self.newest, self.message = id_, message or ""
        moment = _moment(at)
        if moment is not None:
            self.first_at = min(moment, self.first_at or moment)
            self.last_at = max(moment, self.last_at or moment)


def find_failures(store: Store, wanted: JobFilter, *, limit: int, within_s: float) -> Flow[Failures]:
    """What fails among the jobs of a filter, the most frequent first, as far as it was found in that many seconds."""
    search = Search(store, wanted, None)
    groups: dict[tuple[str, str, str | None], _Group] = {}
    until = time.monotonic() + within_s
    try:
        yield from begin(within_s)
        while not search.over and (not search.begun or time.monotonic() < until):
            hits = yield from search.next(_AT_ONCE)
            if hits:
                for row in (yield store.query("get_errors", ids=[hit.id for hit in hits])):
                    key = (row[2], row[3] or "", own_frame(row[5] or ""))
                    groups.setdefault(key, _Group()).add(row)
            # What was read has been looked through, which takes some time of its own.
            yield Pause()
        yield Query(b"COMMIT")
    except BaseException as error:
        with suppress(psycopg.Error):
            yield Query(b"ROLLBACK")
        explain(error)
        raise
    found = sorted(groups.items(), key=lambda item: item[1].count, reverse=True)
    return Failures(
        groups=[_made(key, group) for key, group in found[:limit]],
        count=sum(group.count for group in groups.values()),
        searched_until=None if search.over else search.last_at,
    )


def _made(key: tuple[str, str, str | None], group: _Group) -> FailureGroup:
    func, type_, where = key
    return FailureGroup(
        func=func,
        type=type_,
        where=where,
        count=group.count,
        retrying=group.retrying,
        message=group.message,
        first_at=group.first_at,
        last_at=group.last_at,
        newest=group.newest or uuid.UUID(int=0),
    )


def _moment(text: str | None) -> datetime | None:
    """When an error was, as its worker wrote it; None if somebody else wrote something else."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None
