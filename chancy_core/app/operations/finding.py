"""Find jobs, and count them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chancy_core.app.acting import STATES, narrowed
from chancy_core.app.operation import Begin, repeatable
from chancy_core.errors import InvalidFilter
from chancy_core.store import Flow, failing, jobs, looking
from chancy_core.values.failures import Failures
from chancy_core.values.fields import shown
from chancy_core.values.found import Count, Hits, Page
from chancy_core.values.jobfilter import JobFilter, filter_of
from chancy_core.values.queuedjob import State
from chancy_core.values.ranges import HITS_LIMIT, LOOK_S, PAGE_LIMIT, Range

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

# Counting up to here takes some hundredths of a second, and nobody reads the last digits of more.
EXACT_UP_TO: Final = 10_000


@repeatable
def find_jobs(
    chancy: Chancy,
    filter: JobFilter | str = "",  # noqa: A002 -- what it is called everywhere
    *,
    limit: int = 50,
    after: str | uuid.UUID | None = None,
    within_s: float = 2.0,
) -> Begin[Page]:
    """The jobs that a filter finds, live and finished, the newest id first, a page at a time.

    For a filter that finds few among many jobs, a page would take longer than one likes to wait. So it ends when time
    is up, and tells how far it looked.

    Args:
        filter: which jobs: a `JobFilter`, or its text, such as `state:failed since:2h`.
        limit: how many at most.
        after: where to go on: the `next` of the page before.
        within_s: for how many seconds it may look.

    Raises:
        InvalidFilter: the filter cannot be read, or another argument is out of range.
    """
    wanted = filter_of(filter)
    _check("limit", limit, PAGE_LIMIT)
    _check("within_s", within_s, LOOK_S)
    below = None if after is None else _cursor(after)
    return lambda: looking.find_jobs(chancy.store, wanted, limit=limit, after=below, within_s=within_s)


@repeatable
def find_hits(
    chancy: Chancy,
    filter: JobFilter | str,  # noqa: A002
    *,
    action: str | None = None,
    limit: int = 10_000,
    after: str | uuid.UUID | None = None,
    within_s: float = 2.0,
) -> Begin[Hits]:
    """Which jobs a filter finds, and in which state they are, without what is in them.

    This is for an action that keeps for itself which jobs it is about: `retry_jobs(hits)` leaves alone what has changed
    since. `retry_jobs(filter)` does the same in one go.

    Args:
        filter: which jobs.
        action: only those that this can be done to: "cancel_jobs", "retry_jobs", "delete_jobs" or "update_jobs".
        limit: how many at most.
        after: where to go on: the `next` of the answer before.
        within_s: for how many seconds it may look.

    Raises:
        InvalidFilter: the filter cannot be read, it leaves no jobs to which that can be done, or another argument is
            out of range.
    """
    wanted = filter_of(filter)
    if action is not None:
        if action not in STATES:
            raise InvalidFilter(f"action is {shown(action)}: give one of {', '.join(STATES)}.")
        wanted = narrowed(action, wanted)
    _check("limit", limit, HITS_LIMIT)
    _check("within_s", within_s, LOOK_S)
    below = None if after is None else _cursor(after)
    return lambda: _hits(chancy, wanted, limit, below, within_s)


def _hits(chancy: Chancy, wanted: JobFilter, limit: int, after: uuid.UUID | None, within_s: float) -> Flow[Hits]:
    hits, last = yield from looking.find_hits(chancy.store, wanted, limit=limit, after=after, within_s=within_s)
    return Hits(hits=hits, next=None if last is None else str(last))


@repeatable
def find_failures(
    chancy: Chancy,
    filter: JobFilter | str = "",  # noqa: A002
    *,
    limit: int = 50,
    within_s: float = 2.0,
) -> Begin[Failures]:
    """What fails, and how often: by function, exception, and the line of your own code where it was raised.

    Args:
        filter: which jobs: a `JobFilter`, or its text, such as `since:2h`. Of those it finds, jobs that failed and jobs
            that wait for a retry count, unless it names other states.
        limit: how many groups at most, the most frequent first.
        within_s: for how many seconds it may look.

    Raises:
        InvalidFilter: the filter cannot be read, or another argument is out of range.
    """
    wanted = filter_of(filter)
    _check("limit", limit, PAGE_LIMIT)
    _check("within_s", within_s, LOOK_S)
    if not wanted.states:
        wanted = replace(wanted, states=(State.RETRYING, State.FAILED))
    if not wanted.errors:
        wanted = replace(wanted, errors=("*",))
    return lambda: failing.find_failures(chancy.store, wanted, limit=limit, within_s=within_s)


@repeatable
def count_jobs(
    chancy: Chancy,
    filter: JobFilter | str | None = None,  # noqa: A002
    *,
    within_s: float = 2.0,
) -> Begin[dict[str, dict[str, int]] | Count]:
    """How many jobs a filter finds; without one, how many live jobs each queue has, by state.

    Args:
        filter: which jobs: a `JobFilter`, or its text. None: `{"default": {"pending": 3}}` is returned, for which all
            live jobs are read.
        within_s: for how many seconds they are counted, and estimated thereafter.

    Returns:
        The number: exact up to 10,000, then an estimate, and marked as one.

    Raises:
        InvalidFilter: the filter cannot be read, or `within_s` is out of range.
    """
    _check("within_s", within_s, LOOK_S)
    if filter is None:
        return lambda: _live(chancy)
    wanted = filter_of(filter)
    return lambda: _count(chancy, wanted, within_s)


def _live(chancy: Chancy) -> Flow[dict[str, dict[str, int]] | Count]:
    return (yield from jobs.count_live(chancy.store))


def _count(chancy: Chancy, wanted: JobFilter, within_s: float) -> Flow[dict[str, dict[str, int]] | Count]:
    return (yield from looking.count_jobs(chancy.store, wanted, exact_up_to=EXACT_UP_TO, within_s=within_s))


def _check(name: str, value: object, range_: Range) -> None:
    if not range_.holds(value):
        raise InvalidFilter(f"{name} is {shown(value)}: give {range_.expected}.")


def _cursor(after: object) -> uuid.UUID:
    try:
        return after if isinstance(after, uuid.UUID) else uuid.UUID(str(after))
    except ValueError:
        raise InvalidFilter(f"after is {shown(after)}: give the `next` of the page before, or None.") from None
