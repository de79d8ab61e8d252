"""Places: when jobs of a queue with `global_concurrency` have ended, those who wait for that learn of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from chancy_core.store import Store
from chancy_core.store.session import WorkerConnection
from chancy_core.values.notices import Notice
from chancy_core.values.queuedjob import Outcome

# This worker looks at once, and mostly takes the place itself. The others are told at most so often: a notification
# takes a lock on the whole database, and wakes everyone who waits.
SPACING_S: Final = 0.1


class FreedPlaces:
    """`ended` never blocks; `run` is the duty that tells other workers.

    Args:
        store: the statements.
        connection: a connection to share.
        limited: the queues that have a `global_concurrency`.
        hear: called with each of them of which jobs have ended.
    """

    def __init__(
        self,
        store: Store,
        connection: WorkerConnection,
        limited: Callable[[], frozenset[str]],
        hear: Callable[[str], None],
    ) -> None:
        self._store = store
        self._connection = connection
        self._limited = limited
        self._hear = hear
        self._queues: set[str] = set()
        self._filled = asyncio.Event()

    def ended(self, outcomes: Sequence[Outcome]) -> None:
        """These were written just now."""
        limited = self._limited()
        if not limited:
            return
        queues = limited.intersection(outcome.job.queue for outcome in outcomes)
        for queue in queues:
            self._hear(queue)
        if queues and self._store.notifications:
            self._queues |= queues
            self._filled.set()

    async def run(self) -> None:
        """Tell the others, for ever."""
        while True:
            await self._filled.wait()
            await self.tell()
            await asyncio.sleep(SPACING_S)

    async def tell(self) -> None:
        """Tell the others now. They look by themselves at their polling interval, should this fail."""
        queues, self._queues = self._queues, set()
        self._filled.clear()
        if queues:
            await self._connection.run(self._store.notify([Notice.room(queue) for queue in sorted(queues)]))
