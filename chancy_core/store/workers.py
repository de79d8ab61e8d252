"""Make a worker known, forget it, and look at all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from chancy_core.store.flow import Flow
from chancy_core.store.store import Store
from chancy_core.store.storedworkers import run_info, worker_info
from chancy_core.values.workerinfo import RunInfo, WorkerInfo

# Of so many runs at most it is told who has them: nobody reads more, and a thousand full workers have as many.
RUNS_MAX: Final = 100_000


class Registration(NamedTuple):
    """What a worker is registered with.

    Attributes:
        worker: its name.
        tags: its tags.
        queues: the names of the queues that it is to serve, in which `*` stands for any characters; None: all.
    """

    worker: str
    tags: Sequence[str]
    queues: Sequence[str] | None = None


def register_worker(store: Store, registration: Registration, lease_s: float) -> Flow[None]:
    """Make a worker known, with a lease."""
    worker, tags, queues = registration
    yield store.query(
        "register_worker",
        worker=worker,
        tags=list(tags),
        queues=None if queues is None else list(queues),
        lease_s=lease_s,
    )


def resign_worker(store: Store, worker: str) -> Flow[bool]:
    """Forget a worker that stopped in good order; whether it held no run any more, and so could be forgotten."""
    return bool((yield store.query("resign_worker", worker=worker)))


def get_workers(store: Store, *, runs: bool = False) -> Flow[list[WorkerInfo]]:
    """The workers that have not been forgotten, by name; with what they run, if that is asked for."""
    rows = yield store.query("get_workers")
    found = [worker_info(row) for row in rows]
    if not runs:
        return found
    running: dict[str, list[RunInfo]] = {}
    for worker, *row in (yield store.query("get_runs", limit=RUNS_MAX)):
        running.setdefault(worker, []).append(run_info(row))
    return [msgspec.structs.replace(worker, runs=running.get(worker.name, [])) for worker in found]
