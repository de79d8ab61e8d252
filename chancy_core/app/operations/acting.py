"""Act on many jobs: those that are named, or those that a filter finds."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from chancy_core.app.acting import Named, Verb, asked_of, on_filter, on_refs
from chancy_core.app.given import Ref, hits_or_ids_of
from chancy_core.app.handed import OWN
from chancy_core.app.operation import Begin, Steps, in_steps
from chancy_core.app.operations.jobs import note_of
from chancy_core.app.reference import Reference
from chancy_core.errors import InvalidFilter, InvalidJob
from chancy_core.store import Flow, acts, jobs
from chancy_core.values.acted import Acted, Heard
from chancy_core.values.fields import check_moment, check_number, check_queue, shown
from chancy_core.values.found import Hit
from chancy_core.values.jobfilter import JobFilter
from chancy_core.values.queuedjob import Cancellation
from chancy_core.values.ranges import PRIORITY

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

Refs: TypeAlias = Iterable[Ref] | Iterable[Hit] | JobFilter


@in_steps
def cancel_jobs(
    chancy: Chancy,
    refs: Refs,
    *,
    reason: str | None = None,
    dry_run: bool = False,
    progress: Heard | None = None,
    connection: Any = OWN,
) -> Steps[list[Cancellation | None] | Acted]:
    """Cancel many jobs, each as `cancel_job` does.

    Args:
        refs: the jobs, or a `JobFilter`: the live jobs that it finds. Jobs that are given as `Hit`s are left alone if
            they have changed since.
        reason: a few words, kept as their note.
        dry_run: only count them.
        progress: as for `update_jobs`.
        connection: as for `push`: it is done in your transaction. Not with a filter.

    Returns:
        What came of each, in the order of `refs`; None for one that does not exist. For a filter, or with `dry_run` or
        `progress`, how many of each: an `Acted`.
    """
    note, refs = note_of(reason), _read(refs)
    verb = Verb("cancel_jobs", partial(acts.cancel, note=note))
    if not _plainly(refs, dry_run, progress):
        return _course(chancy, verb, refs, dry_run, progress, connection)
    ids = cast("list[uuid.UUID]", refs)

    def ask() -> Flow[list[Cancellation | None] | Acted]:
        found = yield from jobs.cancel_jobs(chancy.store, ids, note)
        return [found.get(id_) for id_ in ids]

    return ask


@in_steps
def retry_jobs(
    chancy: Chancy, refs: Refs, *, dry_run: bool = False, progress: Heard | None = None, connection: Any = OWN
) -> Steps[list[Reference] | Acted]:
    """Bring finished jobs back, whatever their outcome was: they run again, and keep their errors so far.

    Their attempts count from the beginning again, and their expiry is forgotten. One that was cancelled before it
    was ever started still waits for its `scheduled_at`. One whose queue was deleted waits for that to be declared.

    Args:
        refs: the jobs, or a `JobFilter`: the failed and the cancelled jobs that it finds, and those that succeeded only
            if it names that state.
        dry_run: only count them.
        progress: as for `update_jobs`.
        connection: as for `push`: it is done in your transaction. Not with a filter.

    Returns:
        Those that came back. The others do not exist, have not finished, or have a unique key that another job
        holds by now. For a filter, or with `dry_run` or `progress`, how many of each: an `Acted`.
    """
    verb, refs = Verb("retry_jobs", acts.retry), _read(refs)
    if not _plainly(refs, dry_run, progress):
        return _course(chancy, verb, refs, dry_run, progress, connection)
    ids = cast("list[uuid.UUID]", refs)

    def ask() -> Flow[list[Reference] | Acted]:
        back = yield from jobs.retry_jobs(chancy.store, ids)
        return [chancy.reference(id_) for id_ in back]

    return ask


@in_steps
def delete_jobs(
    chancy: Chancy, refs: Refs, *, dry_run: bool = False, progress: Heard | None = None, connection: Any = OWN
) -> Steps[Acted]:
    """Forget finished jobs. Live ones are left alone: cancel them first.

    Args:
        refs: the jobs, or a `JobFilter`: the finished jobs that it finds.
        dry_run: only count them.
        progress: as for `update_jobs`.
        connection: as for `push`: it is done in your transaction. Not with a filter.

    Returns:
        How many were deleted, and why others were not.
    """
    verb = Verb("delete_jobs", acts.delete)
    return _course(chancy, verb, _read(refs), dry_run, progress, connection)


@in_steps
def update_jobs(
    chancy: Chancy,
    refs: Refs,
    *,
    priority: int | None = None,
    queue: str | None = None,
    scheduled_at: datetime | EllipsisType | None = ...,
    dry_run: bool = False,
    progress: Heard | None = None,
    connection: Any = OWN,
) -> Steps[Acted]:
    """Change jobs that wait: to be run, for their time, or for their next attempt. What runs, or has finished, stays.

    Args:
        refs: the jobs, or a `JobFilter`: the waiting jobs that it finds.
        priority: their new priority; None: as it is.
        queue: the queue that they are moved to; None: where they are.
        scheduled_at: when they are to be run, or tried again; None: as soon as possible. Left out: as it is.
        dry_run: only count them.
        progress: hears after each batch how far it has come, as an `Acted`; if it returns False, it ends there. With
            asyncio, whoever cancels the task ends it as well. A batch is done as a whole, or not at all.
        connection: as for `push`: it is done in your transaction. Not with a filter.

    Returns:
        How many were changed, and why others were not.

    Raises:
        UnknownQueue: nobody declared `queue`.
        InvalidJob: one of the new values cannot be, or there is none.
        InvalidFilter: the filter asks for other states only.
    """
    change = acts.Change(
        priority, queue, reschedule=scheduled_at is not ..., scheduled_at=None if scheduled_at is ... else scheduled_at
    )
    if change == acts.Change():
        raise InvalidJob("update_jobs is given nothing to change: give a priority, a queue or scheduled_at.")
    if priority is not None:
        check_number("priority", priority, PRIORITY)
    if queue is not None:
        check_queue(queue)
    check_moment("scheduled_at", change.scheduled_at)
    verb = Verb("update_jobs", partial(acts.update, change=change))
    return _course(chancy, verb, _read(refs), dry_run, progress, connection)


def _read(refs: Refs) -> Refs:
    """The jobs that are meant, in a list, unless it is a filter.

    Raises:
        InvalidJob: it is a text, which may be meant as a filter.
    """
    if isinstance(refs, JobFilter):
        return refs
    if isinstance(refs, str):
        raise InvalidJob(
            f"refs is {shown(refs)}: give a list of references or ids, as in [reference], or, for all jobs that a "
            f"filter finds, JobFilter.parse({refs[:40]!r})."
        )
    return hits_or_ids_of(refs)


def _plainly(refs: Refs, dry_run: bool, progress: Heard | None) -> bool:
    """Whether jobs are named, and nothing else is asked for: then it is one transaction, and each is told of."""
    return not (isinstance(refs, JobFilter) or _are_hits(refs) or dry_run or progress is not None)


def _are_hits(refs: Refs) -> bool:
    return isinstance(refs, list) and bool(refs) and isinstance(refs[0], Hit)


def _course(
    chancy: Chancy, verb: Verb, refs: Refs, dry_run: bool, progress: Heard | None, connection: Any
) -> Steps[Any]:
    if progress is not None and (not callable(progress) or inspect.iscoroutinefunction(progress)):
        raise InvalidFilter(f"progress is {shown(progress)}: give a plain function that takes an Acted, or None.")
    within = connection is not OWN
    if within and (isinstance(refs, JobFilter) or dry_run or progress is not None):
        raise InvalidFilter(
            f"{verb.name} in your transaction takes references, and neither a filter, nor dry_run, nor progress: find "
            "the jobs first, and give them in a list."
        )
    if isinstance(refs, JobFilter):
        return on_filter(chancy, verb, refs, dry_run=dry_run, progress=progress)
    asked = cast("Named", list(dict.fromkeys(refs)))
    if within:
        return _in_theirs(chancy, verb, asked)
    return on_refs(chancy, verb, asked, dry_run=dry_run, progress=progress)


def _in_theirs(chancy: Chancy, verb: Verb, asked: Named) -> Begin[Acted]:
    def ask() -> Flow[Acted]:
        done, skipped = yield from verb.act(chancy.store, asked_of(asked))
        return Acted(found=len(asked), done=done, skipped=skipped)

    return ask
