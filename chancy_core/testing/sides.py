"""A Chancy whose every question goes to the one connection of a test, whoever asks, in whichever loop or thread."""

from __future__ import annotations

import asyncio
import uuid
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from chancy_core.app.loopends import LoopEnd
from chancy_core.app.pushing import Pusher
from chancy_core.app.side import Side, SyncSide
from chancy_core.app.waiting import Waiter
from chancy_core.store import Flow, Pool, Store, SyncPool
from chancy_core.store.flow import AsyncConnection, Connection
from chancy_core.store.jobrows import JobRow
from chancy_core.store.keys import Holder
from chancy_core.store.notices import notices_of
from chancy_core.store.pushes import insert_jobs, insert_together
from chancy_core.testing.sole import Sole
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.turns import Turns

if TYPE_CHECKING:
    from chancy_core.app import Chancy

T = TypeVar("T")

# Waits for a job, in a test: by running what waits to be run.
Wait = Callable[[uuid.UUID], Any]


class SolePool(Pool):
    """What an application takes for its pool: the connection of the test."""

    def __init__(self, sole: Sole, dsn: str) -> None:
        super().__init__(dsn, max_size=1, application_name="chancy", pooler=False)
        self._sole: Final = sole

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """As `Pool.connection`."""
        async with self._sole.connection() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self, **_: Any) -> AsyncIterator[AsyncConnection]:
        """As `Pool.transaction`: a savepoint in that of the test."""
        async with self._sole.connection() as connection, connection.transaction():
            yield connection

    async def run(self, flow: Callable[[], Flow[T]], **_: Any) -> T:
        """As `Pool.run`."""
        return await self._sole.ask(flow)

    async def push(self, flow: Flow[T], again: Callable[[], Flow[T]]) -> T:  # noqa: ARG002 -- no answer is lost
        """As `Pool.push`."""
        return await self._sole.ask(lambda: flow)

    async def write(self, flow: Flow[T], hearer: Any = None) -> T:  # noqa: ARG002
        """As `Pool.write`. Plugins hear of the jobs that end by it when the jobs of the test are run."""
        return await self._sole.ask(lambda: flow)


class SoleSyncPool(SyncPool):
    """As `SolePool`, without asyncio."""

    def __init__(self, sole: Sole, dsn: str) -> None:
        super().__init__(dsn, max_size=1, application_name="chancy", pooler=False)
        self._sole: Final = sole

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """As `SyncPool.connection`."""
        with self._sole.sync_connection() as connection:
            yield connection

    @contextmanager
    def transaction(self, **_: Any) -> Iterator[Connection]:
        """As `SyncPool.transaction`: a savepoint in that of the test."""
        with self._sole.sync_connection() as connection, connection.transaction():
            yield connection

    def run(self, flow: Callable[[], Flow[T]], **_: Any) -> T:
        """As `SyncPool.run`."""
        return self._sole.ask_sync(flow)

    def push(self, flow: Flow[T], again: Callable[[], Flow[T]]) -> T:  # noqa: ARG002 -- no answer is lost
        """As `SyncPool.push`."""
        return self._sole.ask_sync(lambda: flow)

    def write(self, flow: Flow[T]) -> T:
        """As `SyncPool.write`."""
        return self._sole.ask_sync(lambda: flow)


class SolePusher(Pusher):
    """Writes each push by itself, and at once."""

    def __init__(self, store: Store, pool: Pool) -> None:
        super().__init__(store, pool, notifications=False)
        self._to: Final = pool
        self._statements: Final = store

    async def push(self, row: JobRow) -> Holder | None:
        """As `Pusher.push`."""
        taken = await self._to.run(lambda: insert_jobs(self._statements, [row], notices_of([row])))
        return taken.get(row.id)

    async def push_together(self, rows: Sequence[JobRow]) -> None:
        """As `Pusher.push_together`."""
        await self._to.run(lambda: insert_together(self._statements, rows, notices_of(rows)))


class SoleWaiter(Waiter):
    """Waits by running what waits to be run: nobody else would."""

    def __init__(self, store: Store, pool: Pool, wait: Wait) -> None:
        super().__init__(store, pool)
        self._run: Final = wait

    async def wait(self, identifier: uuid.UUID, timeout_s: float | None) -> QueuedJob:  # noqa: ARG002
        """As `Waiter.wait`; it takes as long as the jobs run."""
        found: QueuedJob = await self._run(identifier)
        return found


class Sides(dict[AbstractEventLoop, Side]):
    """The sides of event loops: each loop that asks has one, and all of them lead to one connection."""

    def __init__(self, chancy: Chancy, sole: Sole, wait: Wait) -> None:
        super().__init__()
        self._chancy: Final = chancy
        self._sole: Final = sole
        self._wait: Final = wait
        self._made: dict[AbstractEventLoop, Side] = {}

    def get(self, loop: Any, default: Any = None) -> Any:
        """The side of a loop, which is the one that runs."""
        if loop is None:
            return default
        if loop not in self._made:
            store = self._chancy.store
            pool = SolePool(self._sole, self._chancy.dsn)
            waiter = SoleWaiter(store, pool, self._wait)
            # Nothing is to be closed at the end of the loop.
            end = _NeverEnds.__new__(_NeverEnds)
            self._made[loop] = Side(pool, SolePusher(store, pool), waiter, loop, Turns(), end, ready=True)
        return self._made[loop]


class _NeverEnds(LoopEnd):
    """Watches nothing."""

    def leave(self) -> None:
        """Nothing was watched."""


def sync_side(chancy: Chancy, sole: Sole) -> SyncSide:
    """The side of threads."""
    return SyncSide(SoleSyncPool(sole, chancy.dsn), ready=True)


def here() -> AbstractEventLoop | None:
    """The event loop of this thread, if one runs."""
    return asyncio._get_running_loop()  # noqa: SLF001 -- None, where others raise
