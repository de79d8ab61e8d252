"""An application's connections: pools, with asyncio and without.

They open a connection when one is needed and none is idle, and close those that nobody needs for long. What is asked of
the database through `run` and `write` is asked again, on another connection, for as long as `tries` says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import TupleRow

from chancy_core.store import pooling
from chancy_core.store.bounded import BoundedAsyncConnection
from chancy_core.store.connect import connect
from chancy_core.store.flow import AsyncConnection, Flow, Step, cursor_of, drive, run_with
from chancy_core.store.idle import Idle, close
from chancy_core.store.tries import Session, Tries
from chancy_core.store.weather import Fault, fault_of
from chancy_core.store.write import Write

T = TypeVar("T")


class Pool(pooling.BasePool):
    """An application's connections, with asyncio; for one event loop. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        super().__init__(dsn, max_size=max_size, application_name=application_name, pooler=pooler)
        self._idle: Final[Idle[BoundedAsyncConnection]] = Idle()
        self._slots = asyncio.Semaphore(max_size)
        self._cleaning: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Open the pool. Nothing is connected yet."""
        self.is_open = True

    async def close(self) -> None:
        """Close every connection; those that are in use, once they are given back."""
        self.close_now()

    def close_now(self) -> None:
        """As `close`, from where nothing can be awaited."""
        self.is_open = False
        if self._cleaning is not None:
            self._cleaning.cancel()
            self._cleaning = None
        self._idle.drop()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for the length of the block. Waits on it as long as it takes."""
        async with self._lent(pooling.CALLERS_DEADLINE_S, sure=True) as connection:
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
                async with self._lent(pooling.deadline_s(within_s)) as connection, cursor_of(connection) as cursor:
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
    async def transaction(self, *, deadline_s: float = pooling.CALLERS_DEADLINE_S) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that commits at the end of the block.

        Args:
            deadline_s: how long the server may be silent while somebody waits for it.
        """
        async with self._begun() as (connection, block):
            connection.deadline_s = deadline_s
            try:
                yield connection
            except BaseException as error:
                connection.deadline_s = pooling.deadline_s(None)
                if not await block.__aexit__(type(error), error, error.__traceback__):
                    raise
            else:
                connection.deadline_s = min(deadline_s, pooling.COMMIT_WITHIN_S)
                await block.__aexit__(None, None, None)

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[tuple[BoundedAsyncConnection, AbstractAsyncContextManager[Any]]]:
        """A connection and its transaction, which has begun. Until something is asked in it, another may take over."""
        tries = Tries(self.dsn)
        while True:
            connection = await self._taken(pooling.SURE_WITHIN_S, sure=True)
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
        async with self._lent(pooling.deadline_s(None)) as connection:
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
        self.check_open()
        await self._slot()
        try:
            while (connection := self._idle.take()) is not None:
                if not sure or await self._answers(connection):
                    break
            else:
                connection = await connect(self.dsn, **self.options)
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
            async with asyncio.timeout(pooling.SLOT_WITHIN_S):
                await self._slots.acquire()
        except TimeoutError:
            raise self.all_in_use() from None

    async def _answers(self, connection: BoundedAsyncConnection) -> bool:
        if time.monotonic() - connection.idle_since < pooling.SURE_AFTER_S:
            return True
        connection.deadline_s = pooling.SURE_WITHIN_S
        try:
            cursor = cursor_of(connection)
            await cursor.execute(pooling.SURE)
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
        if self.is_open:
            self._idle.put(connection)
            if self._cleaning is None:
                self._clean()
        else:
            close(connection)
        self._slots.release()

    def _clean(self) -> None:
        left_s = self._idle.drop_unused()
        self._cleaning = None if left_s is None else asyncio.get_running_loop().call_later(left_s, self._clean)
