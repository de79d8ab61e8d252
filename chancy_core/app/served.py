"""Why nobody serves a queue that was declared, if that is so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg

from chancy_core.errors import InvalidQueue
from chancy_core.log import log
from chancy_core.store import Flow, Store, workers
from chancy_core.values.owntags import is_own, tag_doubt
from chancy_core.values.queue import Queue
from chancy_core.values.serving import is_named
from chancy_core.values.workerinfo import WorkerInfo

# So many tags are named.
TAGS_SHOWN: Final = 8


def warn_if_nobody_serves(store: Store, queue: Queue) -> Flow[None]:
    """Log a warning if no worker serves the queue, or none ever will, with what to do."""
    try:
        found = yield from workers.get_workers(store)
    except psycopg.errors.InsufficientPrivilege:
        # Whoever declares queues need not know of workers.
        found = []
    doubt = _doubt(queue, [worker for worker in found if worker.alive])
    if doubt is not None:
        log.warning("queue_served_by_nobody", queue=queue.name, tags=queue.tags, hint=doubt)


def warn_of_tags(queue: Queue) -> None:
    """Log a warning if its tags can match no worker, unless somebody gives it just these."""
    doubts = [tag_doubt(tag) for tag in queue.tags]
    if all(doubts):
        log.warning("queue_served_by_nobody", queue=queue.name, tags=queue.tags, hint=" ".join(map(str, doubts)))


def _doubt(queue: Queue, living: Sequence[WorkerInfo]) -> str | None:
    try:
        suited = [worker for worker in living if queue.serves(worker.tags)]
    except InvalidQueue as error:
        return str(error)
    if any(is_named(queue.name, worker.queues) for worker in suited):
        return None
    doubts = [tag_doubt(tag) for tag in queue.tags]
    if suited:
        return (
            f"Workers with such tags live, {len(suited)} in number, and were told to serve other queues only. Start "
            f"one that may serve it: chancy worker --queue {queue.name}"
        )
    if all(doubts):
        return " ".join(map(str, doubts))
    if not living:
        # There will be some, nobody knows with which tags.
        return None
    given = sorted({tag for worker in living for tag in worker.tags if not is_own(tag)})
    shown = f"{', '.join(given[:TAGS_SHOWN])}{', …' if len(given) > TAGS_SHOWN else ''}"
    return (
        f"No worker that lives has a tag that matches; besides those that all have, theirs are: {shown or 'none'}. "
        "Start one that has: chancy worker --tag TAG"
    )
