"""What was looked up last: one reader of the database for all viewers, and what is shown while it is away."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from chancy import Chancy

# A page is at most two seconds old: so old when it is asked for, and as long as it takes to look.
FOR_S: Final = 1.5
# Who only follows a page waits so many times as long as it took to look: dear pages are renewed less often, and
# however many are followed, each takes a thirtieth of one processor at most.
REST: Final = 30
# A person waits, and an operation of Chancy would try for twenty seconds.
WITHIN_S: Final = 6.0
# Addresses whose last snapshot is kept.
KEPT: Final = 200


class Snapshot(NamedTuple):
    """What was looked up.

    Attributes:
        data: what `load` returned.
        at: when.
        read_at: the same by `time.monotonic()`.
        took_s: how long it took, in seconds.
    """

    data: Any
    at: datetime
    read_at: float
    took_s: float = 0.0

    @property
    def age_s(self) -> float:
        """How old it is, in seconds."""
        return time.monotonic() - self.read_at


class Snapshots:
    """The last snapshot of each address; what many ask for at a time is looked up once.

    Args:
        for_s: for how many seconds one is new enough.
        kept: of how many addresses the last one is known.
    """

    def __init__(self, for_s: float = FOR_S, kept: int = KEPT) -> None:
        self._for_s: Final = for_s
        self._kept: Final = kept
        self._last: OrderedDict[Hashable, Snapshot] = OrderedDict()
        self._asked: dict[Hashable, asyncio.Task[Snapshot]] = {}

    async def get(self, key: Hashable, load: Callable[[], Awaitable[Any]], *, follows: bool = False) -> Snapshot:
        """A snapshot that is new enough. Raises what `load` raises, and TimeoutError after WITHIN_S.

        Args:
            key: its address.
            load: looks it up.
            follows: whether nobody waits for it: then one is new enough for longer, if it took long.
        """
        found = self._last.get(key)
        if found is not None and found.age_s < max(self._for_s, REST * found.took_s if follows else 0.0):
            return found
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._look(key, load))
            task.add_done_callback(lambda done: self._over(key, done))
        # Whoever goes away does not stop the look for the others.
        return await asyncio.shield(task)

    def last(self, key: Hashable) -> Snapshot | None:
        """What was looked up last, however old it is."""
        return self._last.get(key)

    def forget(self) -> None:
        """Look anew, also for those who only follow: there is news. What is away meanwhile is still known."""
        for key, found in self._last.items():
            self._last[key] = found._replace(read_at=found.read_at - self._for_s, took_s=0.0)

    async def _look(self, key: Hashable, load: Callable[[], Awaitable[Any]]) -> Snapshot:
        start = time.monotonic()
        async with asyncio.timeout(WITHIN_S):
            data = await load()
        now = time.monotonic()
        found = self._last[key] = Snapshot(data, datetime.now(UTC), now, now - start)
        self._last.move_to_end(key)
        while len(self._last) > self._kept:
            self._last.popitem(last=False)
        return found

    def _over(self, key: Hashable, done: asyncio.Task[Snapshot]) -> None:
        self._asked.pop(key, None)
        if not done.cancelled():
            # Also if all who had asked went away.
            done.exception()


class Remembered:
    """What is looked up for several pages, and changes slowly: it is looked up once in a while, for each application.

    Args:
        for_s: for how many seconds it is new enough.
        kept: so much of it is known.
    """

    def __init__(self, for_s: float, kept: int = KEPT) -> None:
        self._for_s: Final = for_s
        self._kept: Final = kept
        self._of: Final[WeakKeyDictionary[Chancy, Snapshots]] = WeakKeyDictionary()

    async def get(self, chancy: Chancy, key: Hashable, load: Callable[[], Awaitable[Any]]) -> Any:
        """What `load` returned, now or lately. Raises what it raises, and TimeoutError after WITHIN_S."""
        if chancy not in self._of:
            self._of[chancy] = Snapshots(self._for_s, self._kept)
        return (await self._of[chancy].get(key, load)).data
