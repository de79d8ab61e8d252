"""An application's connections: those of its event loop, and those of its threads.

Both sides may be open at once. Each is opened once; a process that was forked off gets connections of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import psycopg

from chancy_core.app.database import Database
from chancy_core.app.schema import Schema
from chancy_core.app.side import Side, new_side, not_here, running_loop
from chancy_core.config import Settings
from chancy_core.errors import NotOpen
from chancy_core.store import Flow, Pool, Store, SyncPool, run, run_sync
from chancy_core.store.connect import connect, connect_sync, unavailable
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.tries import DEADLINE_S
from chancy_core.store.weather import Fault, fault_of
from chancy_core.store.write import Hearer

T = TypeVar("T")

APPLICATION_NAME: Final = "chancy"
# In a child: what belongs to its parent, which nothing here may close, not even the collector.
_PARENTS: Final[list[Any]] = []
_forked: Final = threading.RLock()


class Connections:
    """An application's connections to its database.

    Attributes:
        database: where it is.
        hearer: asked, at each step by which jobs end with asyncio, who hears of that; None: nobody wants to.
    """

    def __init__(self, settings: Settings, store: Store, schema: Schema) -> None:
        self._store = store
        self._schema = schema
        self._max_size = settings.pool_max_size
        self._options: Final[dict[str, Any]] = {"application_name": APPLICATION_NAME, "pooler": settings.pooler}
        self.database: Final = Database(settings.dsn)
        self.hearer: Hearer | None = None
        self._side: Side | None = None
        self._sync_pool: SyncPool | None = None
        # Whose connections these are: not a child's that is forked off later.
        self._pid = os.getpid()
        self._opening, self._sync_opening = threading.Lock(), threading.Lock()

    # -- opening and closing ---------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the side of an event loop is open."""
        return self._side is not None

    @property
    def is_open_sync(self) -> bool:
        """Whether the side of threads is open."""
        return self._sync_pool is not None

    def refuse_missing_schema(self) -> None:
        """From now on opening raises SchemaError if the schema is missing, whatever the settings allow."""
        self._schema.may_be_missing = False

    async def open(self) -> None:
        """Open the side of this event loop. Raises as `Chancy.open`."""
        self.leave_dead_loop()
        if self._side is not None:
            raise NotOpen("This Chancy is open already.")
        with _alone(self._opening), self._releasing():
            if self.database.must_start:
                await asyncio.to_thread(self.database.start)
            dsn = self.database.dsn
            async with await connect(dsn, **self._options, deadline_s=DEADLINE_S) as connection:
                with _unavailable(dsn):
                    await run(connection, self._schema.prepare(connection))
            self.open_side()

    def open_side(self) -> None:
        """Open the side of this event loop, whose database and schema have been looked at."""
        self._side = new_side(self._store, Pool(self.database.dsn, max_size=self._max_size, **self._options))

    async def close(self) -> None:
        """Write what is still waiting to be written, and disconnect; the latter also if this is cancelled."""
        self._in_this_process()
        side, self._side = self._side, None
        if side is not None:
            with self._releasing(always=True):
                await side.close()

    def open_sync(self) -> None:
        """As `open`, for code without asyncio."""
        self._in_this_process()
        if self._sync_pool is not None:
            raise NotOpen("This Chancy is open already.")
        with _alone(self._sync_opening), self._releasing():
            self.database.start()
            dsn = self.database.dsn
            with connect_sync(dsn, **self._options, deadline_s=DEADLINE_S) as connection, _unavailable(dsn):
                run_sync(connection, self._schema.prepare(connection))
            self._sync_pool = self._new_sync_pool()

    def close_sync(self) -> None:
        """Disconnect."""
        self._in_this_process()
        pool, self._sync_pool = self._sync_pool, None
        if pool is not None:
            with self._releasing(always=True):
                pool.close()

    def leave_dead_loop(self) -> bool:
        """Forget what was opened in an event loop that has ended without closing this; whether there was any."""
        self._in_this_process()
        side = self._side
        if side is None or not side.loop.is_closed():
            return False
        side.pool.close_now()
        self._side = None
        return True

    @asynccontextmanager
    async def connect(self, *, application_name: str) -> AsyncIterator[AsyncConnection]:
        """A connection of its own, for the length of the block. As `Chancy.connect`."""
        options = {**self._options, "application_name": application_name}
        async with await connect(self.database.dsn, **options) as connection:
            yield connection

    # -- what is open ----------------------------------------------------------------------

    @property
    def here(self) -> Side:
        """What was opened in this event loop. Raises NotOpen."""
        side = self._side
        if side is not None and side.loop is asyncio.get_running_loop():
            return side
        raise self._not_here()

    @property
    def pool(self) -> Pool:
        """The connections of the event loop. Raises NotOpen, also in another loop than the one it was opened in."""
        side = self._side
        if side is None or running_loop() not in (None, side.loop) or self._pid != os.getpid():
            raise self._not_here()
        return side.pool

    @property
    def sync_pool(self) -> SyncPool:
        """The connections of threads. Raises NotOpen."""
        if self._pid != os.getpid():
            with _forked:
                self._in_this_process()
        if self._sync_pool is None:
            raise NotOpen("This Chancy is not open: use it inside `with Chancy(…) as chancy:`.")
        return self._sync_pool

    # -- running flows ---------------------------------------------------------------------

    async def run(self, begin: Callable[[], Flow[T]], *, repeatable: bool) -> T:
        """Run a flow, with asyncio.

        Args:
            begin: begins the flow.
            repeatable: whether it may be run again from its start, after an answer was lost. If not, each of its steps
                is done once, in a transaction of its own, in which `hearer` hears of the jobs that end by it.

        Raises:
            NotOpen: this is not open in this event loop.
            SchemaError: the schema does not fit this code.
            DatabaseUnavailable: as `Pool.run` and `Pool.write`.
        """
        self._schema.check()
        return await (self.pool.run(begin) if repeatable else self.pool.write(begin(), self.hearer))

    def run_sync(self, begin: Callable[[], Flow[T]], *, repeatable: bool) -> T:
        """As `run`, without asyncio. No hook hears of what ends by it, because hooks are coroutines."""
        self._schema.check()
        return self.sync_pool.run(begin) if repeatable else self.sync_pool.write(begin())

    # -- forks -----------------------------------------------------------------------------

    def _in_this_process(self) -> None:
        """In a child that was forked off: leave to its parent what is its parent's.

        The sockets lead nowhere here by now. What was open without asyncio is open here too, with connections of its
        own.
        """
        if self._pid == os.getpid():
            return
        inherited = self._sync_pool
        self._pid = os.getpid()
        self._opening, self._sync_opening = threading.Lock(), threading.Lock()
        _PARENTS.append((self._side, self._sync_pool, self.database.leave_to_parent()))
        self._side = self._sync_pool = None
        if inherited is not None:
            self._sync_pool = self._new_sync_pool()

    def _not_here(self) -> NotOpen:
        return not_here(self._side, forked_from=None if self._pid == os.getpid() else self._pid)

    def _new_sync_pool(self) -> SyncPool:
        pool = SyncPool(self.database.dsn, max_size=self._max_size, **self._options)
        pool.open()
        return pool

    @contextmanager
    def _releasing(self, *, always: bool = False) -> Iterator[None]:
        """Let the embedded server go at the end, if that failed or `always`, unless the other side needs it."""
        try:
            yield
        except BaseException:
            always = True
            raise
        finally:
            if always and self._side is None and self._sync_pool is None:
                self.database.release()


@contextmanager
def _unavailable(dsn: str) -> Iterator[None]:
    """A connection that is lost while this opens is as good as none."""
    try:
        yield
    except psycopg.Error as error:
        if fault_of(error) is Fault.GONE:
            raise unavailable(dsn, error) from error
        raise


@contextmanager
def _alone(opening: threading.Lock) -> Iterator[None]:
    if not opening.acquire(blocking=False):
        raise NotOpen(
            "This Chancy is being opened already, by another task or thread: open it once, before they start."
        )
    try:
        yield
    finally:
        opening.release()
