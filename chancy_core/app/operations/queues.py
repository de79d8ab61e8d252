"""Declare queues, pause them, and delete them; and see who serves them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from chancy_core.app.given import check_executor, check_flag, check_queue_name
from chancy_core.app.handed import OWN
from chancy_core.app.operation import Begin, first, once, repeatable
from chancy_core.app.served import warn_if_nobody_serves
from chancy_core.app.whoami import user_and_host
from chancy_core.errors import InvalidQueue
from chancy_core.plugins import check_limits
from chancy_core.store import Flow, queues, workers
from chancy_core.values.fields import shown
from chancy_core.values.queue import Queue, UnreadableQueue, check_declarable, check_pause, check_resume_at
from chancy_core.values.storable import one_line
from chancy_core.values.workerinfo import WorkerInfo

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

# A reason is read in a sentence.
REASON_MAX: Final = 200


@first
def declare(chancy: Chancy, queue: Queue, *, upsert: bool = False, connection: Any = OWN) -> Begin[Queue]:
    """Declare a queue, so that it can be pushed to.

    Running workers see it within seconds. If none of those serves it, a warning is logged, which says why.

    Args:
        queue: its name, and how its jobs are run.
        upsert: change an existing queue to this declaration; otherwise it is left as it is.
        connection: as for `push`: it is done in your transaction.

    Returns:
        The queue as it now stands.

    Raises:
        InvalidQueue: it has a limit that no plugin here enforces, and what to install; an executor that is not there
            yet; no tag at all; or a pause that is over.
    """
    if not isinstance(queue, Queue):
        raise InvalidQueue(f"declare({shown(queue)}): give a Queue, as in declare(Queue('mail')).")
    check_flag("upsert", upsert)
    check_declarable(queue)
    check_executor(queue)
    check_limits(queue, chancy.plugins.enforced)
    settings = chancy.settings.queues.get(queue.name)

    def begin() -> Flow[Queue]:
        yield from queues.check_to_come(chancy.store, queue.name, queue.resume_at)
        declared = yield from queues.declare_queue(chancy.store, queue, upsert=upsert, settings=settings)
        yield from warn_if_nobody_serves(chancy.store, declared)
        return declared

    return begin


@repeatable
def get_queue(chancy: Chancy, name: str) -> Begin[Queue]:
    """A declared queue. Raises UnknownQueue; InvalidQueue if somebody wrote its row so that it cannot be read."""
    check_queue_name(name)
    return lambda: queues.get_queue(chancy.store, name)


@repeatable
def get_all_queues(chancy: Chancy) -> Begin[list[Queue]]:
    """Every declared queue that can be read, by name; `get_unreadable_queues` has the others."""
    return lambda: queues.get_queues(chancy.store)


@repeatable
def get_unreadable_queues(chancy: Chancy) -> Begin[list[UnreadableQueue]]:
    """The queues whose rows somebody wrote so that they cannot be read, and why: no worker serves them."""
    return lambda: queues.get_unreadable_queues(chancy.store)


@once
def pause_queue(
    chancy: Chancy,
    name: str,
    *,
    resume_at: datetime | timedelta | None = None,
    reason: str | None = None,
    by: str | None = None,
    connection: Any = OWN,
) -> Begin[None]:
    """Stop claiming from a queue, everywhere. Pushes go on; running jobs end.

    Args:
        name: the queue.
        resume_at: when it resumes by itself: a moment with a time zone, or how long from now; None: when somebody
            resumes it. The database's clock decides.
        reason: a few words for whoever finds it paused.
        by: who pauses it, for an application that knows; None: the user of this process, and its host.
        connection: as for `push`: it is done in your transaction.

    Raises:
        UnknownQueue: nobody declared it.
        InvalidQueue: `resume_at` is over already, has no time zone, or is nothing of that kind; `reason` or `by` is no
            text.
    """
    check_queue_name(name)
    pause = queues.Pause(_checked("by", by) or user_and_host(), _checked("reason", reason))
    if isinstance(resume_at, timedelta | int | float) and not isinstance(resume_at, bool):
        pause = pause._replace(for_s=check_pause(name, resume_at))
    elif resume_at is not None:
        check_resume_at(name, resume_at)
        pause = pause._replace(until=resume_at)
    return lambda: queues.pause_queue(chancy.store, name, pause)


def _checked(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidQueue(f"{name} is {text!r:.60}: give a few words, or None.")
    return one_line(text, REASON_MAX).strip() or None


@once
def resume_queue(chancy: Chancy, name: str, *, connection: Any = OWN) -> Begin[None]:
    """Claim from a paused queue again.

    Args:
        name: the queue.
        connection: as for `push`: it is done in your transaction.

    Raises:
        UnknownQueue: nobody declared it.
    """
    check_queue_name(name)
    return lambda: queues.resume_queue(chancy.store, name)


@once
def delete_queue(chancy: Chancy, name: str, *, purge_jobs: bool = True, connection: Any = OWN) -> Begin[int]:
    """Forget a queue, and cancel those of its jobs that are not running.

    Args:
        name: the queue; not `default`.
        purge_jobs: False leaves the jobs stored; they run once the queue is declared again.
        connection: as for `push`: it is done in your transaction.

    Returns:
        How many jobs were cancelled, or were left behind.

    Raises:
        UnknownQueue: nobody declared it.
        InvalidQueue: it is the default queue.
    """
    check_queue_name(name)
    check_flag("purge_jobs", purge_jobs)
    return lambda: queues.delete_queue(chancy.store, name, purge_jobs=purge_jobs)


@repeatable
def get_serving(chancy: Chancy, name: str) -> Begin[list[WorkerInfo]]:
    """The workers that serve a queue: they live, its tags match theirs, and they were not told to serve others only.

    One that has found that it cannot serve the queue, because of a limit that it does not enforce, say, is not among
    them. Where nobody serves a queue, its jobs wait.

    Args:
        name: the queue.

    Raises:
        UnknownQueue: nobody declared it.
        InvalidQueue: its row cannot be read, so that nobody serves it.
    """
    check_queue_name(name)

    def begin() -> Flow[list[WorkerInfo]]:
        queue = yield from queues.get_queue(chancy.store, name)
        found = yield from workers.get_workers(chancy.store)
        return [worker for worker in found if worker.alive and worker.serves(queue)]

    return begin


@repeatable
def get_workers(chancy: Chancy, *, runs: bool = False) -> Begin[list[WorkerInfo]]:
    """The workers of this schema by name, lost ones until they are forgotten; with how their plugins do.

    Args:
        runs: also what each of them runs now, and since when.
    """
    return lambda: workers.get_workers(chancy.store, runs=runs)
