"""Rows to queues, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from chancy_core.errors import InvalidQueue
from chancy_core.values.jsonvalue import UNREADABLE
from chancy_core.values.queue import Queue, QueueState, UnreadableQueue

_decode_dict: Final = msgspec.json.Decoder(dict[str, Any] | None).decode


def queue_of(row: Sequence[Any]) -> Queue:
    """The queue in a row of `get_queues` or `declare_queue`.

    Raises:
        InvalidQueue: it cannot be read; somebody else has written it.
    """
    name, concurrency, tags, executor, options, polling_interval, state, resume_at, *limits = row
    try:
        return Queue(
            name,
            concurrency,
            list(tags),
            executor,
            _decode_dict(options) or {},
            polling_interval,
            QueueState(state),
            resume_at,
            *limits,
        )
    except InvalidQueue:
        raise
    except (*UNREADABLE, TypeError) as error:
        raise InvalidQueue(f"Queue {name!r}: its row cannot be read: {error}.") from error


def queues_of(rows: Iterable[Sequence[Any]]) -> tuple[list[Queue], list[UnreadableQueue]]:
    """The queues in rows of `get_queues`: those that can be read, and those that cannot."""
    queues, unreadable = [], []
    for row in rows:
        try:
            queues.append(queue_of(row))
        except InvalidQueue as error:
            advice = f"Declare it again to mend it: declare(Queue({row[0]!r}, …), upsert=True)."
            unreadable.append(UnreadableQueue(row[0], f"{error} {advice}"))
    return queues, unreadable
