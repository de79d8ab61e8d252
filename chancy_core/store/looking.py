"""Find jobs, live and finished in one order, for no longer than one has time.

A search goes through the ids from the newest on, in slices of so many jobs. What a slice costs depends on their
number, and on nothing that the filter says: so a filter that finds nothing among ten million jobs takes no longer than
any other.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import psycopg

from chancy_core.errors import InvalidFilter
from chancy_core.store.filters import HIGHEST_ID, LOWEST_ID, Range, exactly, matching, ranges, states
from chancy_core.store.flow import Flow, Query
from chancy_core.store.jobs import get_jobs
from chancy_core.store.store import Store
from chancy_core.store.weather import text_of
from chancy_core.values.found import Count, Hit, Page
from chancy_core.values.jobfilter import JobFilter
from chancy_core.values.queuedjob import State

# How many jobs the first slice has: it takes a few milliseconds, and some tenths of a second on the slowest disk.
_FIRST_SCAN: Final = 1000
# A slice that took shorter is followed by a longer one, so that going to and fro takes no share of the time.
_SLICE_S: Final = 0.1
# A first slice takes so long on a machine that does a hundred other things. One that takes longer waits for a lock.
_SLOWEST_S: Final = 1.0
_LARGEST_SCAN: Final = 100_000
_SMALLEST_SCAN: Final = 100
_GROWTH: Final = 4
# So many jobs of one state are read to be sorted by their ids: some 20 ms. Of more, the ids are gone through.
_FEW: Final = 10_000
# Statistics must not have a say: a table that was empty when they were made may hold ten million jobs by now.
_SETTINGS: Final = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "plan_cache_mode": "force_custom_plan",
}
_BEGIN: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SET: Final = (
    b"SELECT set_config(name, value, true) FROM unnest(%(names)s::text[], %(values)s::text[]) AS one (name, value)"
)


# Where the rows of find_jobs and find_few have what.
_CREATED_AT: Final = 3
_HIT: Final = 4
_PLACE: Final = 5


def find_jobs(store: Store, wanted: JobFilter, *, limit: int, after: uuid.UUID | None, within_s: float) -> Flow[Page]:
    """A page of jobs, the newest first, as far as they were found in that many seconds."""
    search = Search(store, wanted, after)
    hits: list[Hit] = []
    until = time.monotonic() + within_s
    try:
        yield from begin(within_s)
        while len(hits) < limit and not search.over and (not search.begun or time.monotonic() < until):
            hits += yield from search.next(limit - len(hits))
    except psycopg.errors.QueryCanceled:
        # One slice took all the time there was.
        if not search.begun:
            raise
        yield Query(b"ROLLBACK")
        found = yield from get_jobs(store, [hit.id for hit in hits])
    except BaseException as error:
        with suppress(psycopg.Error):
            yield Query(b"ROLLBACK")
        explain(error)
        raise
    else:
        found = yield from get_jobs(store, [hit.id for hit in hits])
        yield Query(b"COMMIT")
    full = len(hits) == limit
    return Page(
        jobs=[found[hit.id] for hit in hits if hit.id in found],
        next=None if search.over else str(search.last),
        searched_until=None if full or search.over else search.last_at,
    )


def count_jobs(store: Store, wanted: JobFilter, *, exact_up_to: int, within_s: float) -> Flow[Count]:
    """How many jobs there are: counted up to a number, and for so many seconds; beyond that, estimated."""
    search = Search(store, wanted, None)
    hits = 0
    until = time.monotonic() + within_s
    try:
        yield from begin(within_s)
        while hits <= exact_up_to and not search.over and (not search.begun or time.monotonic() < until):
            hits += len((yield from search.next(exact_up_to + 1 - hits)))
        total = 0 if search.over else (yield from _estimate(store, wanted))
        yield Query(b"COMMIT")
    except BaseException as error:
        with suppress(psycopg.Error):
            yield Query(b"ROLLBACK")
        explain(error)
        raise
    if search.over:
        return Count(value=hits, exact=True)
    return Count(value=max(hits, round(hits / max(search.seen, 1) * total)), exact=False)


def find_hits(
    store: Store, wanted: JobFilter, *, limit: int, after: uuid.UUID | None, within_s: float
) -> Flow[tuple[list[Hit], uuid.UUID | None]]:
    """The ids of jobs, the newest first, as far as they were found in that many seconds; and after which to go on."""
    search = Search(store, wanted, after)
    hits: list[Hit] = []
    until = time.monotonic() + within_s
    try:
        yield from begin(within_s)
        while len(hits) < limit and not search.over and (not search.begun or time.monotonic() < until):
            hits += yield from search.next(limit - len(hits))
        yield Query(b"COMMIT")
    except BaseException as error:
        with suppress(psycopg.Error):
            yield Query(b"ROLLBACK")
        explain(error)
        raise
    return hits, None if search.over else search.last


def _estimate(store: Store, wanted: JobFilter) -> Flow[int]:
    """How many jobs there are in the states that are wanted, as the statistics have it."""
    each = states(wanted)
    ((plan,),) = yield store.query("estimate_jobs", states=[state.value for state in each])
    return int(plan[0]["Plan"]["Plan Rows"])


def begin(within_s: float) -> Flow[None]:
    """Begin to look: one snapshot for all slices, plans for their values, and no statement longer than that."""
    yield Query(_BEGIN)
    settings = {**_SETTINGS, "statement_timeout": f"{int(max(within_s, _SLOWEST_S) * 1000)}ms"}
    yield Query(_SET, {"names": list(settings), "values": list(settings.values())})


class Search:
    """A search, from one slice to the next.

    Args:
        store: the statements.
        wanted: what is looked for.
        after: an id; only lower ones are looked at. None: all.

    Attributes:
        begun: whether anything was looked at.
        over: whether everything was.
        last: the last id that was looked at.
        last_at: when that was pushed, if that is known.
        seen: how many jobs were looked at.
    """

    def __init__(self, store: Store, wanted: JobFilter, after: uuid.UUID | None) -> None:
        self.begun = False
        self.last: uuid.UUID | None = after
        self.last_at: datetime | None = None
        self.seen = 0
        self._hits = 0
        self._store: Final = store
        self._params: Final = matching(wanted)
        self._states: Final = states(wanted)
        self._few: dict[str, Any] | None = self._few_params(wanted)
        # What has yet to be looked through, the highest ids first.
        self._ranges = ranges(wanted.ids) if wanted.ids else [Range(LOWEST_ID, HIGHEST_ID)]
        self._scan = _FIRST_SCAN
        if not self._states:
            self._ranges = []
        if after is not None:
            self._go_below(after)

    @property
    def over(self) -> bool:
        """Whether nothing is left to look at."""
        return not self._ranges

    def next(self, limit: int, within_s: float = _SLICE_S) -> Flow[list[Hit]]:
        """Look at the next slice, and find so many jobs at most."""
        if self._few is not None and (self._few["of_keys"] is not None or (self.begun and self._rare(limit))):
            few, self._few = self._few, None
            found = yield from self._find_few(few, limit)
            if found is not None:
                return found
        start = time.monotonic()
        low, high = self._ranges[0]
        rows = yield self._store.query(
            "find_jobs",
            **self._params,
            live=any(not state.finished for state in self._states),
            lowest=low,
            highest=high,
            scan=self._scan,
            limit=limit,
        )
        took_s = time.monotonic() - start
        self.begun = True
        hits = [Hit(*row[:3]) for row in rows if row[_HIT]]
        self._hits += len(hits)
        if len(hits) == limit or (rows and rows[-1][_PLACE] == self._scan):
            self.last, self.last_at = rows[-1][0], rows[-1][_CREATED_AT]
            self.seen += rows[-1][_PLACE]
            self._go_below(rows[-1][0])
        else:
            self._ranges.pop(0)
        per_job_s = max(took_s, 1e-6) / self._scan
        self._scan = min(_GROWTH * self._scan, _LARGEST_SCAN, max(_SMALLEST_SCAN, int(within_s / per_job_s)))
        return hits

    def _rare(self, limit: int) -> bool:
        """Whether so many more lie further among other jobs than it takes to read all of a few."""
        return limit * self.seen > self._hits * _FEW

    def _go_below(self, last: uuid.UUID) -> None:
        left = [Range(low, min(high, uuid.UUID(int=last.int - 1))) for low, high in self._ranges if low < last]
        self._ranges = left

    def _few_params(self, wanted: JobFilter) -> dict[str, Any] | None:
        """Whose states are read instead of all jobs, if live ones only are wanted."""
        if wanted.ids or any(state.finished for state in self._states):
            return None
        keys = exactly(wanted.keys)
        return {
            "pending": keys is None and State.PENDING in self._states,
            "running": keys is None and State.RUNNING in self._states,
            "waiting": keys is None and not {State.SCHEDULED, State.RETRYING}.isdisjoint(self._states),
            "among": exactly(wanted.queues),
            "of_keys": keys,
        }

    def _find_few(self, few: dict[str, Any], limit: int) -> Flow[list[Hit] | None]:
        """What is found among the few live jobs of those states; None if these are many."""
        low, high = self._ranges[0]
        rows = yield self._store.query(
            "find_few", **self._params, **few, lowest=low, highest=high, scan=_FEW, limit=limit
        )
        if any(row[_PLACE] == _FEW for row in rows):
            return None
        self.begun = True
        hits = [Hit(*row[:3]) for row in rows]
        if len(hits) == limit:
            self.last = hits[-1].id
            self._go_below(self.last)
            self._few = few
        else:
            self._ranges = []
        return hits


def explain(error: BaseException) -> None:
    """Raise what is to be told of a failure, if that is not the failure itself."""
    if isinstance(error, psycopg.DataError):
        raise InvalidFilter(f"The filter has a text that this database cannot look for: {text_of(error)}.") from error
