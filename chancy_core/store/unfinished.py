"""What is left to do, as one worker sees it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from chancy_core.store.flow import Flow
from chancy_core.store.store import Store


class Unfinished(NamedTuple):
    """What is left to do.

    Attributes:
        runs: whether the worker has runs whose outcome is not recorded.
        waits: whether a job could be run now, of a function that it can run.
        soon: whether one that waits for its time is due within what was asked.
        unable: whether a job could be run now, but for its function, which it cannot run.
        unheard: whether plugins have yet to be told of ends, upon which they may push more.
    """

    runs: bool
    waits: bool
    soon: bool
    unable: bool
    unheard: bool

    @property
    def idle(self) -> bool:
        """Whether there is nothing that the worker could do."""
        return not (self.runs or self.waits or self.soon or self.unheard)


def find_unfinished(
    store: Store,
    worker: str,
    *,
    queues: Collection[str],
    left: Collection[tuple[str, str]],
    within_s: float,
    plugins: Collection[str],
) -> Flow[Unfinished]:
    """What is left in these queues.

    Args:
        store: the names of the schema.
        worker: whose runs are looked for.
        queues: those that it serves.
        left: queue and function of what it cannot run.
        within_s: how far ahead to look, in seconds.
        plugins: those that hear of every end of a job there.
    """
    (row,) = yield store.query(
        "find_unfinished",
        worker=worker,
        queues=list(queues),
        left=[f"{queue} {func}" for queue, func in left],
        within_s=within_s,
        plugins=list(plugins),
    )
    return Unfinished(*row)
