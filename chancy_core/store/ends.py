"""What plugins hear of the ends of jobs: who listens, and what has not been heard yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from chancy_core.store.arrays import sparse_array, unquoted_array
from chancy_core.store.flow import Flow
from chancy_core.store.store import Store
from chancy_core.store.storedjobs import decode_meta
from chancy_core.values.ended import Ended, Ending
from chancy_core.values.jsonvalue import UNREADABLE
from chancy_core.values.queuedjob import Outcome, State

# Looking a member up by calling the enum takes ten times as long.
_STATES: Final = {state.value: state for state in State}
_ENDINGS: Final = {how.value: how for how in Ending}
_RUN: Final = Ending.RUN
# Where the rows of a statement by which jobs end have what is told of each, from claims to at. What comes last is
# whether plugins that are not here have yet to be told of it.
_TOLD: Final = slice(-11, -1)


class Unheard(NamedTuple):
    """An end that a plugin has yet to be told."""

    number: int
    ended: Ended


def listen(store: Store, plugins: Sequence[str]) -> Flow[None]:
    """From now on no job ends without these plugins being told, here or later."""
    yield store.query("listen", plugins=list(plugins))


def take_ended(store: Store, plugin: str, limit: int) -> Flow[list[Unheard]]:
    """Take ends that a plugin has yet to be told, in the transaction in which it is told."""
    rows = yield store.query("take_ended", plugin=plugin, limit=limit)
    return [Unheard(row[0], _ended(row[1:])) for row in rows]


def put_off_ended(store: Store, unheard: Iterable[Unheard], most_s: float) -> Flow[None]:
    """Tell these later: the plugin failed. The pause grows with each time, up to `most_s` seconds."""
    yield store.query("put_off_ended", numbers=[one.number for one in unheard], most_s=most_s)


def leave_ended(store: Store, plugins: Sequence[str], ended: Sequence[Ended], meta: Sequence[str | None]) -> Flow[None]:
    """Leave ends for plugins that failed to hear of them just now. They listen from now on, if they did not before.

    Args:
        store: the statements.
        plugins: whom they are left for.
        ended: the ends.
        meta: the JSON of each job's meta, as it is stored.
    """
    yield store.query(
        "leave_ended",
        plugins=list(plugins),
        id=unquoted_array(one.id.hex for one in ended),
        claims=unquoted_array(one.claims for one in ended),
        queue=[one.queue for one in ended],
        func=[one.func for one in ended],
        state=unquoted_array(one.state for one in ended),
        how=unquoted_array(one.how for one in ended),
        attempts=unquoted_array(one.attempts for one in ended),
        unique_key=sparse_array([one.unique_key for one in ended]),
        note=sparse_array([one.note for one in ended]),
        meta=sparse_array(list(meta)),
    )


def ends_of(rows: Iterable[Sequence[Any]]) -> tuple[list[Ended], list[str | None]]:
    """The ends in the rows of a statement that was asked as `Store.ending`, and the JSON of each job's meta."""
    told = [(row[0], *row[_TOLD]) for row in rows if row[_TOLD.start] is not None]
    return [_ended(one) for one in told], [one[-2] for one in told]


def find_silent(store: Store, silent_s: float) -> Flow[list[tuple[str, float]]]:
    """The plugins that listen, and that no worker has had for so many seconds; and for how long."""
    rows = yield store.query("find_silent", silent_s=silent_s)
    return [(plugin, for_s) for plugin, for_s in rows]


def forget_listeners(store: Store, silent_s: float) -> Flow[list[str]]:
    """Forget the plugins that no worker has had for so many seconds; their names."""
    rows = yield store.query("forget_listeners", silent_s=silent_s)
    return [plugin for (plugin,) in rows]


def drop_ended(store: Store, limit: int, age_s: float) -> Flow[list[str]]:
    """Drop ends that are older than that, or that nobody asks for any more. For each, who was not told of it."""
    rows = yield store.query("drop_ended", limit=limit, age_s=age_s)
    return [plugin for (plugin,) in rows]


def ended_runs(
    outcomes: Sequence[Outcome], rows: Sequence[Sequence[Any]], at: datetime
) -> tuple[list[Ended], list[str | None]]:
    """The ends in the rows of `finish_told`, and the JSON of each job's meta.

    Args:
        outcomes: what was to be recorded.
        rows: what the statement returned.
        at: when its transaction began.
    """
    ended = []
    for _, place, note, meta, _ in rows:
        outcome = outcomes[place - 1]
        job = outcome.job
        ended.append(
            Ended(
                job.id,
                job.claims,
                job.queue,
                job.func,
                outcome.state,
                _RUN,
                job.attempts,
                job.unique_key,
                note,
                _meta(meta) if meta else {},
                at,
            )
        )
    return ended, [row[3] for row in rows]


def _ended(row: Sequence[Any]) -> Ended:
    id_, claims, queue, func, state, how, attempts, unique_key, note, meta, at = row
    return Ended(
        id_,
        claims,
        queue,
        func,
        _STATES[state],
        _ENDINGS[how],
        attempts,
        unique_key,
        note,
        _meta(meta) if meta else {},
        at,
    )


def _meta(text: str) -> dict[str, Any]:
    """A job's meta. Of one that nobody could read, its first run has told."""
    try:
        return decode_meta(text)
    except UNREADABLE:
        return {}
