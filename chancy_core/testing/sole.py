"""The one connection of a test, on which everything is done: pushes, claims, what jobs ask, and what is recorded.

`SoleConnection` stands on a connection without asyncio, `SoleAsyncConnection` on one with. Either is asked from code of
both kinds, from any thread and any event loop. Each flow has a savepoint, so that one that fails leaves the
transaction of the test as it was.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.app.handed import connection_in, sync_connection_in
from chancy_core.app.others import AsyncOther, Other
from chancy_core.errors import ChancyError
from chancy_core.store import Flow, run, run_sync
from chancy_core.store.flow import AsyncConnection, Connection, Query
from chancy_core.testing.twins import async_twin, sync_twin

T = TypeVar("T")

# What a flow that begins a transaction of its own does inside of the test's.
_SAVE: Final = Query(b"SAVEPOINT chancy_flow")
_KEEP: Final = Query(b"RELEASE SAVEPOINT chancy_flow")
_UNDO: Final = Query(b"ROLLBACK TO SAVEPOINT chancy_flow")


class Sole(ABC):
    """The one connection of a test."""

    @abstractmethod
    async def ask(self, begin: Callable[[], Flow[T]]) -> T:
        """Run a flow, from an event loop."""

    @abstractmethod
    def ask_sync(self, begin: Callable[[], Flow[T]]) -> T:
        """Run a flow, from code without asyncio."""

    @abstractmethod
    def connection(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """The connection, for code with asyncio."""

    @abstractmethod
    def sync_connection(self) -> AbstractContextManager[Connection]:
        """The connection, for code without."""


class SoleConnection(Sole):
    """A connection without asyncio: of psycopg, a Session of SQLAlchemy, or Django's.

    Args:
        given: what a caller may pass as `connection=`. It is looked into again each time, because Django's may be
            another one by then; but only where it was given: elsewhere Django has others, and none in a loop.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._thread: Final = threading.get_ident()
        self._found = _on_psycopg(given)
        # psycopg lets threads take turns for a statement; what is done in a savepoint is several.
        self._lock: Final = threading.RLock()
        self._twin: AsyncConnection | None = None

    async def ask(self, begin: Callable[[], Flow[T]]) -> T:
        """As `Sole.ask`. It holds up the loop for the moment that it takes."""
        return self.ask_sync(begin)

    def ask_sync(self, begin: Callable[[], Flow[T]]) -> T:
        """As `Sole.ask_sync`."""
        with self._lock, self.sync_connection() as connection:
            return _ask_on(connection, begin)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """As `Sole.connection`."""
        with self.sync_connection() as connection:
            if self._twin is None or self._twin.pgconn is not connection.pgconn:
                self._twin = async_twin(connection)
        yield self._twin

    @contextmanager
    def sync_connection(self) -> Iterator[Connection]:
        """As `Sole.sync_connection`."""
        if threading.get_ident() == self._thread and asyncio._get_running_loop() is None:  # noqa: SLF001 -- see below
            self._found = _on_psycopg(self._given)
        connection = self._found
        if _has_yet_to_begin(connection):
            connection.execute(b"SELECT")
        yield connection


class SoleAsyncConnection(Sole):
    """A connection with asyncio: of psycopg, an AsyncSession or AsyncConnection of SQLAlchemy.

    Args:
        given: what a caller may pass as `connection=`.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._loop: Final = asyncio.get_running_loop()
        self._lock: Final = asyncio.Lock()
        # The lock knows no owner: who holds it, a thread or a task of another loop, must not wait for it again.
        self._held: Final[dict[int | asyncio.Task[Any] | None, Connection]] = {}

    async def ask(self, begin: Callable[[], Flow[T]]) -> T:
        """As `Sole.ask`."""
        if asyncio.get_running_loop() is not self._loop:
            if (held := self._mine()) is not None:
                return _ask_on(held, begin)
            asked = asyncio.run_coroutine_threadsafe(self._ask_here(begin), self._loop)
            return await asyncio.wrap_future(asked)
        return await self._ask_here(begin)

    async def _ask_here(self, begin: Callable[[], Flow[T]]) -> T:
        async with self._lock, self._here() as connection, connection.transaction():
            return await run(connection, inside(begin()))

    def ask_sync(self, begin: Callable[[], Flow[T]]) -> T:
        """As `Sole.ask_sync`, while the loop of the test waits for whoever calls this."""
        if (held := self._mine()) is not None:
            return _ask_on(held, begin)
        return self.wait_for(lambda: self._ask_here(begin))

    def wait_for(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What a coroutine returns that is awaited in the loop of the test, for code without asyncio elsewhere."""
        self._check_other_thread()
        if self._mine() is not None:
            raise ChancyError(
                "Jobs are to be run, by a push or a wait, in the middle of a block that has the connection of the test "
                "for itself: `with chancy.sync_pool.connection()` or `.transaction()`. Do that after the block."
            )
        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """As `Sole.connection`."""
        if asyncio.get_running_loop() is self._loop:
            async with self._here() as connection:
                yield connection
            return
        if (held := self._mine()) is not None:
            yield async_twin(held)
            return
        found = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._taken(), self._loop))
        with self._holding(asyncio.current_task(), sync_twin(found)) as held:
            yield async_twin(held)

    @contextmanager
    def sync_connection(self) -> Iterator[Connection]:
        """As `Sole.sync_connection`, while the loop of the test waits for whoever calls this."""
        if (held := self._mine()) is not None:
            # One object for all, so that each savepoint gets a name of its own.
            yield held
            return
        with self._holding(threading.get_ident(), sync_twin(self.wait_for(self._taken))) as held:
            yield held

    @contextmanager
    def _holding(self, who: int | asyncio.Task[Any] | None, connection: Connection) -> Iterator[Connection]:
        """Note who has the lock that was acquired, and give it back at the end."""
        self._held[who] = connection
        try:
            yield connection
        finally:
            del self._held[who]
            self._loop.call_soon_threadsafe(self._lock.release)

    def _mine(self) -> Connection | None:
        """The connection, if this thread or this task of another loop holds it already."""
        held = self._held.get(threading.get_ident())
        if held is None and self._held and asyncio._get_running_loop() is not None:  # noqa: SLF001 -- see below
            held = self._held.get(asyncio.current_task())
        return held

    @asynccontextmanager
    async def _here(self) -> AsyncIterator[AsyncConnection]:
        yield await self._found()

    async def _taken(self) -> AsyncConnection:
        """The connection, for whoever gives back the lock."""
        await self._lock.acquire()
        try:
            return await self._found()
        except BaseException:
            self._lock.release()
            raise

    async def _found(self) -> AsyncConnection:
        found = await connection_in(self._given)
        if isinstance(found, AsyncOther):
            raise _not_on_psycopg(self._given, found.driver)
        if not isinstance(found, psycopg.AsyncConnection):
            raise ChancyError(
                f"connection is a {type(self._given).__name__}, one without asyncio: use Jobs(chancy, connection=…) "
                "for it, or give an AsyncConnection or AsyncSession."
            )
        if _has_yet_to_begin(found):
            await found.execute(b"SELECT")
        return found

    def _check_other_thread(self) -> None:
        if asyncio._get_running_loop() is self._loop:  # noqa: SLF001 -- None, where others raise
            raise ChancyError(
                "A method of Chancy whose name begins with sync_ was called in the event loop of the test, which would "
                "wait for itself: await the one without sync_, or call it in a thread."
            )


def _ask_on(connection: Connection, begin: Callable[[], Flow[T]]) -> T:
    """Run a flow in a savepoint of whoever holds the connection."""
    with connection.transaction():
        return run_sync(connection, inside(begin()))


def inside(flow: Flow[T]) -> Flow[T]:
    """The same flow inside of a transaction that somebody else has begun: one of its own becomes a savepoint."""
    reads = False
    try:
        step: Any = next(flow)
        while True:
            try:
                rows: list[Any] = []
                text = step.text.split(None, 1)[0] if isinstance(step, Query) else b""
                if text == b"BEGIN":
                    reads = step.text.endswith(b"READ ONLY")
                    yield _SAVE
                elif text == b"COMMIT" and not reads:
                    yield _KEEP
                elif text in (b"COMMIT", b"ROLLBACK"):
                    # One that only reads has set its plans for itself, which goes with it.
                    yield _UNDO
                    yield _KEEP
                else:
                    rows = yield step
            except BaseException as error:  # noqa: BLE001 -- the flow decides what it means
                step = flow.throw(error)
            else:
                step = flow.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result


def _on_psycopg(given: Any) -> Connection:
    found = sync_connection_in(given)
    if isinstance(found, Other):
        raise _not_on_psycopg(given, found.driver)
    return found


def _not_on_psycopg(given: Any, driver: str) -> ChancyError:
    return ChancyError(
        f"connection is a {type(given).__name__} on {driver}, which cannot run jobs: a test needs psycopg 3, as in "
        "create_engine('postgresql+psycopg://…'). Pushes take it as it is."
    )


def in_transaction(connection: AsyncConnection | Connection) -> bool:
    """Whether it is in a transaction, so that whatever is done on it can be rolled back."""
    return connection.info.transaction_status is not TransactionStatus.IDLE


def _has_yet_to_begin(connection: AsyncConnection | Connection) -> bool:
    return not connection.autocommit and connection.info.transaction_status is TransactionStatus.IDLE
