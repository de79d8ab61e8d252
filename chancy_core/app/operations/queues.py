"""Declare queues, pause them, and delete them; and see who serves them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from chancy_core.app.given import check_executor, check_flag, check_queue_name
from chancy_core.app.handed import OWN
from chancy_core.app.operation import Begin, once, repeatable
from chancy_core.errors import InvalidQueue
from chancy_core.plugins import check_limits
from chancy_core.store import queues, workers
from chancy_core.values.fields import shown
from chancy_core.values.queue import NOT_BUILT, Executor, Queue, UnreadableQueue, check_resume_at
from chancy_core.values.workerinfo import WorkerInfo

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy


@once
def declare(chancy: Chancy, queue: Queue, *, upsert: bool = False, connection: Any = OWN) -> Begin[Queue]:
    """Declare a queue, so that it can be pushed to.

    Running workers see it within seconds.

    Args:
        queue: its name, and how its jobs are run.
        upsert: change an existing queue to this declaration; otherwise it is left as it is.
        connection: as for `push`: it is done in your transaction.

    Returns:
        The queue as it now stands.

    Raises:
        InvalidQueue: it has a limit that no plugin here enforces, and what to install; or an executor that is not
            there yet.
    """
    if not isinstance(queue, Queue):
        raise InvalidQueue(f"declare({shown(queue)}): give a Queue, as in declare(Queue('mail')).")
    check_flag("upsert", upsert)
    if queue.executor == Executor.SubInterpreter:
        raise InvalidQueue(f"Queue {queue.name!r}: {NOT_BUILT}")
    check_executor(queue)
    check_limits(queue, chancy.plugins.enforced)
    return lambda: queues.declare_queue(chancy.store, queue, upsert=upsert)


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
def pause_queue(chancy: Chancy, name: str, *, resume_at: datetime | None = None, connection: Any = OWN) -> Begin[None]:
    """Stop claiming from a queue, everywhere. Pushes go on; running jobs end.

    Args:
        name: the queue.
        resume_at: when it resumes by itself, with a time zone; None: when somebody resumes it.
        connection: as for `push`: it is done in your transaction.

    Raises:
        UnknownQueue: nobody declared it.
        InvalidQueue: `resume_at` has no time zone.
    """
    check_queue_name(name)
    if resume_at is not None:
        check_resume_at(name, resume_at)
    return lambda: queues.set_queue_state(chancy.store, name, Queue.State.PAUSED, resume_at)


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
    return lambda: queues.set_queue_state(chancy.store, name, Queue.State.ACTIVE, None)


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
def get_workers(chancy: Chancy) -> Begin[list[WorkerInfo]]:
    """The workers of this schema by name, lost ones until they are forgotten; with how their plugins do."""
    return lambda: workers.get_workers(chancy.store)
