"""An application's connections: pools, with asyncio and without.

They open a connection when one is needed and none is idle, and close those that nobody needs for long. What is asked of
the database through `run` and `write` is asked again, on another connection, for as long as `tries` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.rows import TupleRow

from chancy_core.store import pooling
from chancy_core.store.bounded import BoundedAsyncConnection
from chancy_core.store.connect import connect
from chancy_core.store.flow import AsyncConnection, Flow, Step, cursor_of, drive, run, run_with
from chancy_core.store.idle import close
from chancy_core.store.tries import Session, Tries, session_of
from chancy_core.store.write import Hearer, Write

T = TypeVar("T")


class Pool(pooling.BasePool[BoundedAsyncConnection]):
    """An application's connections, with asyncio; for one event loop. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        super().__init__(dsn, max_size=max_size, application_name=application_name, pooler=pooler)
        self._slots: asyncio.Semaphore = asyncio.Semaphore(max_size)
        self._free_slot = self._slots.release

    async def open(self) -> None:
        """Open the pool. Nothing is connected yet."""
        self.open_now()

    async def close(self) -> None:
        """Close every connection; those that are in use, once they are given back."""
        self.close_now()

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

    async def push(self, flow: Flow[T], again: Callable[[], Flow[T]]) -> T:
        """Run the flow of a push; if its answer is lost, or it failed and may yet succeed, run `again`."""
        lost: Session | None = None
        try:
            async with self.lent() as connection:
                lost = session_of(connection)
                return await run(connection, flow)
        except Exception as error:  # noqa: BLE001 -- raised again, unless another attempt may help
            pause_s = Tries(self.dsn).pause_s(error)
        await asyncio.sleep(pause_s)
        return await self.run(again, lost=lost)

    async def write(self, flow: Flow[T], hearer: Hearer | None = None) -> T:
        """Run a flow that must not be run again: each of its steps is done once, in a transaction of its own.

        When an answer is lost, the database is asked whether it did the step, and the flow goes on from there.

        Args:
            flow: the flow.
            hearer: who hears of the jobs that end by it, in those transactions.

        Raises:
            DatabaseUnavailable: a step could not be done, or nobody can say whether it was.
        """

        async def once(step: Step) -> list[TupleRow]:
            return await self.run(Write(step, hearer).flow)

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
            self._free_slot()
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
        if self._is_fresh(connection):
            return True
        try:
            cursor = cursor_of(connection)
            await cursor.execute(pooling.SURE)
            if (await cursor.fetchone()) == pooling.TAKES_CHANGES:
                return True
        except psycopg.Error:
            pass
        except BaseException:
            close(connection)
            raise
        self._discard(connection)
        return False

    def _later(self, left_s: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(left_s, self.cleaner())
