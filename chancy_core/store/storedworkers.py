"""What workers say of themselves, to rows and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from chancy_core.values.jsonvalue import UNREADABLE
from chancy_core.values.workerinfo import RunInfo, WorkerInfo, WorkerStatus, aged

_encode: Final = msgspec.json.Encoder().encode
_decode_status: Final = msgspec.json.Decoder(WorkerStatus).decode


def status_text(status: WorkerStatus) -> str:
    """What a worker says of itself, as JSON."""
    return _encode(status).decode()


def worker_info(row: Sequence[Any]) -> WorkerInfo:
    """The worker in a row of `get_workers`."""
    name, tags, started_at, seen_s_ago, alive, said, said_s_ago, queues, lease_left_s = row
    return WorkerInfo(
        name=name,
        tags=list(tags),
        queues=None if queues is None else list(queues),
        started_at=started_at,
        seen_s_ago=seen_s_ago,
        alive=alive,
        status=None if said is None else _status(said, said_s_ago or 0.0),
        lease_left_s=lease_left_s,
    )


def run_info(row: Sequence[Any]) -> RunInfo:
    """The run in a row of `get_runs`, without its worker."""
    id_, queue, func, attempt, since_s_ago, cancel_requested = row
    return RunInfo(
        id=id_,
        queue=queue,
        func=func,
        attempt=attempt,
        since_s_ago=since_s_ago or 0.0,
        cancel_requested=cancel_requested,
    )


def _status(said: str, age_s: float) -> WorkerStatus | None:
    try:
        return aged(_decode_status(said), age_s)
    except UNREADABLE:
        # Of another version, or written by hand; it is only for looking at.
        return None
