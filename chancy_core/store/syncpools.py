"""An application's pool of connections without asyncio: `pools`, for threads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar

import psycopg

from chancy_core.store import pooling
from chancy_core.store.bounded import BoundedConnection
from chancy_core.store.connect import connect_sync
from chancy_core.store.flow import Connection, Flow, drive_sync, run_sync, run_sync_with, sync_cursor_of
from chancy_core.store.idle import close
from chancy_core.store.tries import Session, Tries, session_of
from chancy_core.store.write import Write

T = TypeVar("T")


class SyncPool(pooling.BasePool[BoundedConnection]):
    """An application's connections, without asyncio; for any number of threads. They autocommit."""

    def __init__(self, dsn: str, *, max_size: int, application_name: str, pooler: bool) -> None:
        super().__init__(dsn, max_size=max_size, application_name=application_name, pooler=pooler)
        # A semaphore, as one C call each way. That of `threading` is written in Python, and takes eight.
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._free_slot = partial(self._slots.put, None)
        for _ in range(max_size):
            self._free_slot()

    def open(self) -> None:
        """Open the pool. Nothing is connected yet."""
        self.open_now()

    def close(self) -> None:
        """Close every connection; those that are in use, once they are given back."""
        self.close_now()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the length of the block. Waits on it as long as it takes."""
        with self._lent(pooling.CALLERS_DEADLINE_S, sure=True) as connection:
            yield connection

    def run(self, flow: Callable[[], Flow[T]], *, within_s: float | None = None, lost: Session | None = None) -> T:
        """As `Pool.run`."""
        tries = Tries(self.dsn, within_s, lost)
        while True:
            try:
                with self._lent(pooling.deadline_s(within_s)) as connection:
                    run_sync(connection, tries.begin(connection))
                    return run_sync(connection, flow())
            except Exception as error:  # noqa: BLE001 -- raised again, unless another attempt may help
                pause_s = tries.pause_s(error)
            time.sleep(pause_s)

    def write(self, flow: Flow[T]) -> T:
        """As `Pool.write`; nobody hears of it, because hooks are coroutines."""
        return drive_sync(flow, lambda step: self.run(Write(step).flow))

    def push(self, flow: Flow[T], again: Callable[[], Flow[T]]) -> T:
        """Run the flow of a single push; if its answer is lost, or it failed and may yet succeed, run `again`."""
        connection = self._taken(pooling.deadline_s(None), sure=False)
        try:
            if connection.push_cursor is None:
                connection.push_cursor = sync_cursor_of(connection)
            return run_sync_with(connection.push_cursor, flow)
        except Exception as error:  # noqa: BLE001 -- raised again, unless another attempt may help
            lost = session_of(connection)
            self._judge(connection, error)
            Tries(self.dsn).pause_s(error)
        finally:
            self._give_back(connection)
        return self.run(again, lost=lost)

    @contextmanager
    def transaction(self, *, deadline_s: float = pooling.CALLERS_DEADLINE_S) -> Iterator[Connection]:
        """As `Pool.transaction`."""
        with self._begun() as (connection, block):
            connection.deadline_s = deadline_s
            try:
                yield connection
            except BaseException as error:
                connection.deadline_s = pooling.deadline_s(None)
                if not block.__exit__(type(error), error, error.__traceback__):
                    raise
            else:
                connection.deadline_s = min(deadline_s, pooling.COMMIT_WITHIN_S)
                block.__exit__(None, None, None)

    @contextmanager
    def _begun(self) -> Iterator[tuple[BoundedConnection, AbstractContextManager[Any]]]:
        tries = Tries(self.dsn)
        while True:
            with self._lent(pooling.SURE_WITHIN_S, sure=True) as connection:
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
        with self._in_use(connection):
            yield connection

    def _taken(self, deadline_s: float, *, sure: bool) -> BoundedConnection:
        self.check_open()
        try:
            self._slots.get(timeout=pooling.SLOT_WITHIN_S)
        except queue.Empty:
            raise self.all_in_use() from None
        try:
            while (connection := self._idle.take()) is not None:
                if not sure or self._answers(connection):
                    break
            else:
                connection = connect_sync(self.dsn, **self.options)
        except BaseException:
            self._free_slot()
            raise
        connection.deadline_s = deadline_s
        return connection

    def _answers(self, connection: BoundedConnection) -> bool:
        if self._is_fresh(connection):
            return True
        try:
            cursor = sync_cursor_of(connection)
            if cursor.execute(pooling.SURE).fetchone() == pooling.TAKES_CHANGES:
                return True
        except psycopg.Error:
            pass
        except BaseException:
            close(connection)
            raise
        self._discard(connection)
        return False

    def _later(self, left_s: float) -> threading.Timer:
        timer = threading.Timer(left_s, self.cleaner())
        timer.daemon = True
        timer.name = "chancy.idle"
        timer.start()
        return timer
