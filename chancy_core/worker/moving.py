"""Move jobs whose time has come, in batches that leave room for others. What the database refuses stays alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import psycopg

from chancy_core.log import log
from chancy_core.store import run
from chancy_core.store.flow import Flow, Query
from chancy_core.store.session import WorkerConnection
from chancy_core.store.weather import Fault, fault_of, text_of
from chancy_core.worker.telling import Reports

T = TypeVar("T")

# Claims and heartbeats wait for a batch, since they share its connection: it is to take about so long.
BATCH_S: Final = 0.05
BATCH_FIRST: Final = 200
BATCH_MIN: Final = 20
BATCH_MAX: Final = 1000
# A lock that somebody holds must not hold up the others who share the connection.
_PATIENCE: Final = Query(b"SELECT set_config('lock_timeout', '250ms', true)")
# What the database refuses is tried again after so long, and reported so often.
REFUSED_AGAIN_S: Final = 15.0
REPORT_EVERY_S: Final = 600.0
# What somebody has locked, or what a trigger leaves as it is without a word, is tried again after so long.
LEFT_AGAIN_S: Final = 1.0
# So often the rows at the front may all be taken by others before it is looked which they are.
EMPTY_MAX: Final = 3
PAUSE_FIRST_S: Final = 0.02
PAUSE_MAX_S: Final = 10.0


class Statements(NamedTuple):
    """What moves jobs.

    Attributes:
        what: what it does, for the log.
        batch: moves up to so many; returns how many it moved.
        these: moves those with these ids; returns the ids of those it moved.
        find: up to so many that are to be moved, but for these ids; returns (id, queue).
    """

    what: str
    batch: Callable[[int], Flow[int]]
    these: Callable[[Sequence[uuid.UUID]], Flow[list[uuid.UUID]]]
    find: Callable[[int, Sequence[uuid.UUID]], Flow[list[tuple[uuid.UUID, str]]]]


class Mover:
    """Moves jobs, a batch each time it is asked to.

    A batch that the database refuses is halved, until what it refuses is alone; that is put aside for a while. As long
    as anything is aside, jobs are looked for by name, so that the others are not held up.
    """

    def __init__(self, connection: WorkerConnection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._size = BATCH_FIRST
        # Until when each job is left alone.
        self._aside: dict[uuid.UUID, float] = {}
        self._reports = Reports()
        self._empty = 0
        self._pause_s = PAUSE_FIRST_S
        self._again_at = 0.0

    @property
    def again_in_s(self) -> float:
        """Seconds until it is worth being asked again, after it moved nothing."""
        return max(self._again_at - time.monotonic(), PAUSE_FIRST_S)

    async def move(self) -> bool:
        """Move one batch. Returns whether there may be more to move at once.

        Raises:
            psycopg.Error: the connection is gone.
        """
        now = time.monotonic()
        if now < self._again_at:
            return False
        self._aside = {id_: until for id_, until in self._aside.items() if until > now}
        try:
            if self._aside or self._empty >= EMPTY_MAX:
                moved = await self._by_name()
            else:
                moved = await self._batch()
        except psycopg.Error as error:
            fault = fault_of(error, rows=self._size)
            # It may have been too slow: a trigger on each row, say.
            self._size = max(self._size // 2, 1)
            if fault in (None, Fault.GONE):
                raise
            if fault is Fault.NOT_NOW:
                self._put_off(error)
                return False
            moved = await self._by_name()
        if moved:
            self._empty, self._pause_s = 0, PAUSE_FIRST_S
            return True
        self._empty += 1
        self._wait()
        return False

    async def _batch(self) -> int:
        start, took_s = 0.0, 0.0

        def timed() -> Flow[int]:
            # From when the connection is had: others may use it just now.
            nonlocal start, took_s
            start = time.monotonic()
            moved = yield from self._statements.batch(self._size)
            took_s = time.monotonic() - start
            return moved

        moved = await self._patiently(timed())
        if took_s > BATCH_S:
            self._size = max(min(BATCH_MIN, self._size), int(self._size * BATCH_S / took_s))
        elif moved >= self._size and took_s < BATCH_S / 2:
            self._size = min(BATCH_MAX, self._size * 2)
        return moved

    async def _by_name(self) -> int:
        """Move the next ones that are not aside, each half of them on its own if need be. Returns how many it tried."""
        found = await self._connection.run(self._statements.find(self._size, list(self._aside)))
        await self._halved(list(dict.fromkeys(found)))
        return len(found)

    async def _halved(self, jobs: list[tuple[uuid.UUID, str]]) -> None:
        if not jobs:
            return
        ids = [id_ for id_, _ in jobs]
        try:
            moved = await self._patiently(self._statements.these(ids))
        except psycopg.Error as error:
            if fault_of(error, rows=len(jobs)) is Fault.TOO_MUCH:
                half = len(jobs) // 2
                await self._halved(jobs[:half])
                await self._halved(jobs[half:])
            elif fault_of(error, rows=len(jobs)) is Fault.THIS_ONE:
                self._refuse(*jobs[0], error)
            else:
                raise
        else:
            for id_ in set(ids).difference(moved):
                self._aside[id_] = time.monotonic() + LEFT_AGAIN_S

    async def _patiently(self, flow: Flow[T]) -> T:
        """Run a flow in a transaction that waits for no lock for long."""

        def whole() -> Flow[T]:
            yield _PATIENCE
            return (yield from flow)

        async with self._connection.transaction() as connection:
            return await run(connection, whole())

    def _refuse(self, id_: uuid.UUID, queue: str, error: psycopg.Error) -> None:
        """Put a job aside, and say so once in a while."""
        self._aside[id_] = time.monotonic() + REFUSED_AGAIN_S
        if self._reports.is_due(id_, REPORT_EVERY_S):
            log.error(
                f"{self._statements.what}_refused",
                job=str(id_),
                queue=queue,
                error=text_of(error),
                hint="The job stays as it is, and is tried again, until the database accepts it; look for a trigger.",
            )

    def _put_off(self, error: psycopg.Error) -> None:
        """Nothing can be moved for the moment: a lock, a full disk. Whatever else the connection is for goes on."""
        self._wait()
        if self._reports.is_due(self._statements.what, REPORT_EVERY_S):
            log.warning(f"{self._statements.what}_put_off", error=text_of(error), retry_in_s=round(self.again_in_s, 2))

    def _wait(self) -> None:
        self._again_at = time.monotonic() + self._pause_s
        most_s = LEFT_AGAIN_S if self._aside else PAUSE_MAX_S
        self._pause_s = min(self._pause_s * 2, most_s)
