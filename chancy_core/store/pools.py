"""An application's connections: pools, with asyncio and without.

They open a connection when one is needed and none is idle, and close those that nobody needs for long. What is asked of
the database through `run` and `write` is asked again, on another connection, for as long as `tries` says.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import TupleRow

from chancy_core.errors import DatabaseUnavailable, NotOpen
from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.connect import CONNECT_TIMEOUT_S, connect, connect_sync
from chancy_core.store.flow import (
    AsyncConnection,
    Connection,
    Flow,
    Step,
    cursor_of,
    drive,
    drive_sync,
    run_sync,
    run_sync_with,
    run_with,
    sync_cursor_of,
)
from chancy_core.store.idle import Idle, close
from chancy_core.store.tries import DEADLINE_S, Session, Tries, session_of
from chancy_core.store.weather import Fault, fault_of
from chancy_core.store.write import Write

T = TypeVar("T")

# How long to wait for one that others use.
SLOT_WITHIN_S: Final = CONNECT_TIMEOUT_S * 2
# Whoever cannot be asked to begin anew gets a connection that has just answered, if it was idle for longer than this.
SURE_AFTER_S: Final = 1.0
SURE_WITHIN_S: Final = 3.0
# Whoever has little time still waits so long for an answer.
DEADLINE_MIN_S: Final = 1.0
# What callers ask themselves may take as long as it takes. But whoever is cancelled meanwhile does not wait for a
# server that says nothing, which only a connection with a deadline knows how to do.
CALLERS_DEADLINE_S: Final = 86_400.0
# And the end of their transactions: a commit may wait for a standby.
COMMIT_WITHIN_S: Final = 60.0
# Answers whether the connection leads to a server that takes changes.
_SURE: Final = b"SHOW transaction_read_only"


def _deadline_s(within_s: float | None) -> float:
    return DEADLINE_S if within_s is None else min(DEADLINE_S, max(within_s, DEADLINE_MIN_S))


class _Pool:
    """What both have.

    Attributes:
        dsn: where the database is.
        max_size: how many connections it has at most.
    """

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        self.dsn: Final = dsn
        self.max_size: Final = max_size
        self._options: Final[dict[str, Any]] = {"application_name": application_name, "pooler": pooler}
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise NotOpen("This Chancy has been closed, and its connections with it.")

    def _all_in_use(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(
            f"All {self.max_size} connections of the pool have been in use for {SLOT_WITHIN_S:g} s: give them back "
            "sooner, or raise pool_max_size."
        )


class Pool(_Pool):
    """An application's connections, with asyncio; for one event loop. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        super().__init__(dsn, max_size=max_size, application_name=application_name, pooler=pooler)
        self._idle: Final[Idle[BoundedAsyncConnection]] = Idle()
        self._slots = asyncio.Semaphore(max_size)
        self._cleaning: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Open the pool. Nothing is connected yet."""
        self._open = True

    async def close(self) -> None:
        """Close every connection; those that are in use, once they are given back."""
        self.close_now()

    def close_now(self) -> None:
        """As `close`, from where nothing can be awaited."""
        self._open = False
        if self._cleaning is not None:
            self._cleaning.cancel()
            self._cleaning = None
        self._idle.drop()

    async def check(self) -> None:
        """Close the idle connections, because one of them turned out to be lost, or to be the wrong one."""
        self._idle.drop()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for the length of the block. Waits on it as long as it takes."""
        async with self._lent(CALLERS_DEADLINE_S, sure=True) as connection:
            yield connection

    async def run(
        self, flow: Callable[[], Flow[T]], *, within_s: float | None = None, lost: Session | None = None
    ) -> T:
        """Run a flow that may be run again from its beginning, whatever became of it before.

        Args:
            flow: makes the flow.
            within_s: it does not begin anew later than that; None: than AGAIN_S of `tries`.
            lost: a session in which it may have been run already, which is ended first.

        Raises:
            DatabaseUnavailable: no attempt succeeded.
        """
        tries = Tries(self.dsn, within_s, lost)
        while True:
            try:
                async with self._lent(_deadline_s(within_s)) as connection, cursor_of(connection) as cursor:
                    await run_with(cursor, tries.begin(connection))
                    return await run_with(cursor, flow())
            except Exception as error:  # noqa: BLE001 -- raised again, unless another attempt may help
                pause_s = tries.pause_s(error)
            await asyncio.sleep(pause_s)

    async def write(self, flow: Flow[T]) -> T:
        """Run a flow that must not be run again: each of its steps is done once, in a transaction of its own.

        When an answer is lost, the database is asked whether it did the step, and the flow goes on from there.

        Raises:
            DatabaseUnavailable: a step could not be done, or nobody can say whether it was.
        """

        async def once(step: Step) -> list[TupleRow]:
            return await self.run(Write(step).flow)

        return await drive(flow, once)

    @asynccontextmanager
    async def transaction(self, *, deadline_s: float = CALLERS_DEADLINE_S) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that commits at the end of the block.

        Args:
            deadline_s: how long the server may be silent while somebody waits for it.
        """
        async with self._begun() as (connection, block):
            connection.deadline_s = deadline_s
            try:
                yield connection
            except BaseException as error:
                connection.deadline_s = DEADLINE_S
                if not await block.__aexit__(type(error), error, error.__traceback__):
                    raise
            else:
                connection.deadline_s = min(deadline_s, COMMIT_WITHIN_S)
                await block.__aexit__(None, None, None)

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[tuple[BoundedAsyncConnection, AbstractAsyncContextManager[Any]]]:
        """A connection and its transaction, which has begun. Until something is asked in it, another may take over."""
        tries = Tries(self.dsn)
        while True:
            connection = await self._taken(SURE_WITHIN_S, sure=True)
            with self._in_use(connection):
                block = connection.transaction()
                try:
                    await block.__aenter__()
                except psycopg.Error as error:
                    self._judge(connection, error)
                    pause_s = tries.pause_s(error)
                else:
                    yield connection, block
                    return
            await asyncio.sleep(pause_s)

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[BoundedAsyncConnection]:
        """A connection on which no wait is for ever, for whoever copes with its loss."""
        async with self._lent(DEADLINE_S) as connection:
            yield connection

    @asynccontextmanager
    async def _lent(self, deadline_s: float, *, sure: bool = False) -> AsyncIterator[BoundedAsyncConnection]:
        connection = await self._taken(deadline_s, sure=sure)
        with self._in_use(connection):
            yield connection

    @contextmanager
    def _in_use(self, connection: BoundedAsyncConnection) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._judge(connection, error)
            raise
        finally:
            self._give_back(connection)

    async def _taken(self, deadline_s: float, *, sure: bool) -> BoundedAsyncConnection:
        self._check_open()
        await self._slot()
        try:
            while (connection := self._idle.take()) is not None:
                if not sure or await self._answers(connection):
                    break
            else:
                connection = await connect(self.dsn, **self._options)
        except BaseException:
            self._slots.release()
            raise
        connection.deadline_s = deadline_s
        return connection

    async def _slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(SLOT_WITHIN_S):
                await self._slots.acquire()
        except TimeoutError:
            raise self._all_in_use() from None

    async def _answers(self, connection: BoundedAsyncConnection) -> bool:
        if time.monotonic() - connection.idle_since < SURE_AFTER_S:
            return True
        connection.deadline_s = SURE_WITHIN_S
        try:
            cursor = cursor_of(connection)
            await cursor.execute(_SURE)
            if (await cursor.fetchone()) == ("off",):
                return True
        except psycopg.Error:
            pass
        except BaseException:
            close(connection)
            raise
        close(connection)
        self._idle.drop()
        return False

    def _judge(self, connection: BoundedAsyncConnection, error: BaseException) -> None:
        if isinstance(error, psycopg.Error) and fault_of(error) is Fault.GONE:
            # Those that were opened before are likely to be no better, and are cheap to open again.
            close(connection)
            self._idle.drop()

    def _give_back(self, connection: BoundedAsyncConnection) -> None:
        if self._open:
            self._idle.put(connection)
            if self._cleaning is None:
                self._clean()
        else:
            close(connection)
        self._slots.release()

    def _clean(self) -> None:
        left_s = self._idle.drop_unused()
        self._cleaning = None if left_s is None else asyncio.get_running_loop().call_later(left_s, self._clean)


class SyncPool(_Pool):
    """An application's connections, without asyncio; for any number of threads. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        super().__init__(dsn, max_size=max_size, application_name=application_name, pooler=pooler)
        self._idle: Final[Idle[BoundedConnection]] = Idle()
        self._slots = threading.Semaphore(max_size)
        self._cleaning: threading.Timer | None = None

    def open(self) -> None:
        """Open the pool. Nothing is connected yet."""
        self._open = True

    def close(self) -> None:
        """Close every connection; those that are in use, once they are given back."""
        self._open = False
        cleaning, self._cleaning = self._cleaning, None
        if cleaning is not None:
            cleaning.cancel()
        self._idle.drop()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the length of the block. Waits on it as long as it takes."""
        with self._lent(CALLERS_DEADLINE_S, sure=True) as connection:
            yield connection

    def run(self, flow: Callable[[], Flow[T]], *, within_s: float | None = None, lost: Session | None = None) -> T:
        """As `Pool.run`."""
        tries = Tries(self.dsn, within_s, lost)
        while True:
            try:
                with self._lent(_deadline_s(within_s)) as connection:
                    run_sync(connection, tries.begin(connection))
                    return run_sync(connection, flow())
            except Exception as error:  # noqa: BLE001 -- raised again, unless another attempt may help
                pause_s = tries.pause_s(error)
            time.sleep(pause_s)

    def write(self, flow: Flow[T]) -> T:
        """As `Pool.write`."""
        return drive_sync(flow, lambda step: self.run(Write(step).flow))

    def push(self, flow: Flow[T], again: Callable[[], Flow[T]]) -> T:
        """Run the flow of a single push; if its answer is lost, or it failed and may yet succeed, run `again`."""
        connection = self._taken(DEADLINE_S, sure=False)
        lost = session_of(connection)
        try:
            if connection.push_cursor is None:
                connection.push_cursor = sync_cursor_of(connection)
            return run_sync_with(connection.push_cursor, flow)
        except Exception as error:  # noqa: BLE001 -- raised again, unless another attempt may help
            self._judge(connection, error)
            Tries(self.dsn).pause_s(error)
        finally:
            self._give_back(connection)
        return self.run(again, lost=lost)

    @contextmanager
    def transaction(self, *, deadline_s: float = CALLERS_DEADLINE_S) -> Iterator[Connection]:
        """As `Pool.transaction`."""
        with self._begun() as (connection, block):
            connection.deadline_s = deadline_s
            try:
                yield connection
            except BaseException as error:
                connection.deadline_s = DEADLINE_S
                if not block.__exit__(type(error), error, error.__traceback__):
                    raise
            else:
                connection.deadline_s = min(deadline_s, COMMIT_WITHIN_S)
                block.__exit__(None, None, None)

    @contextmanager
    def _begun(self) -> Iterator[tuple[BoundedConnection, AbstractContextManager[Any]]]:
        tries = Tries(self.dsn)
        while True:
            with self._lent(SURE_WITHIN_S, sure=True) as connection:
                block = connection.transaction()
                try:
                    block.__enter__()
                except psycopg.Error as error:
                    self._judge(connection, error)
                    pause_s = tries.pause_s(error)
                else:
                    yield connection, block
                    return
            time.sleep(pause_s)

    @contextmanager
    def _lent(self, deadline_s: float, *, sure: bool = False) -> Iterator[BoundedConnection]:
        connection = self._taken(deadline_s, sure=sure)
        try:
            yield connection
        except BaseException as error:
            self._judge(connection, error)
            raise
        finally:
            self._give_back(connection)

    def _taken(self, deadline_s: float, *, sure: bool) -> BoundedConnection:
        self._check_open()
        if not self._slots.acquire(timeout=SLOT_WITHIN_S):
            raise self._all_in_use()
        try:
            while (connection := self._idle.take()) is not None:
                if not sure or self._answers(connection):
                    break
            else:
                connection = connect_sync(self.dsn, **self._options)
        except BaseException:
            self._slots.release()
            raise
        connection.deadline_s = deadline_s
        return connection

    def _answers(self, connection: BoundedConnection) -> bool:
        if time.monotonic() - connection.idle_since < SURE_AFTER_S:
            return True
        connection.deadline_s = SURE_WITHIN_S
        try:
            cursor = sync_cursor_of(connection)
            if cursor.execute(_SURE).fetchone() == ("off",):
                return True
        except psycopg.Error:
            pass
        except BaseException:
            close(connection)
            raise
        close(connection)
        self._idle.drop()
        return False

    def _judge(self, connection: BoundedConnection, error: BaseException) -> None:
        if isinstance(error, psycopg.Error) and fault_of(error) is Fault.GONE:
            close(connection)
            self._idle.drop()

    def _give_back(self, connection: BoundedConnection) -> None:
        if self._open:
            self._idle.put(connection)
            if self._cleaning is None:
                self._clean()
        else:
            close(connection)
        self._slots.release()

    def _clean(self) -> None:
        left_s = self._idle.drop_unused()
        if left_s is None or not self._open:
            self._cleaning = None
            return
        self._cleaning = threading.Timer(left_s, self._clean)
        self._cleaning.daemon = True
        self._cleaning.name = "chancy.idle"
        self._cleaning.start()
