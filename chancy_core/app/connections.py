"""An application's connections: a side for each of its event loops, and one for its threads.

All sides may be open at once; `opening` decides when. A process that was forked off gets connections of its own.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg

from chancy_core.app.database import Database
from chancy_core.app.schema import Schema
from chancy_core.app.side import Side, SyncSide, closed, new_side, running_loop
from chancy_core.config import Settings
from chancy_core.store import Pool, Store, SyncPool, run, run_sync
from chancy_core.store.connect import connect, connect_sync, unavailable
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.tries import DEADLINE_S
from chancy_core.store.weather import Fault, fault_of
from chancy_core.store.write import Hearer

APPLICATION_NAME: Final = "chancy"
# In a child: what belongs to its parent, which nothing here may close, not even the collector.
_PARENTS: Final[list[Any]] = []
# How long whoever closes the last side waits for other event loops to write what is waiting there.
CLOSE_WITHIN_S: Final = 10.0


class Connections:
    """An application's connections to its database.

    Attributes:
        database: where it is.
        hearer: asked, at each step by which jobs end with asyncio, who hears of that; None: nobody wants to.
        sides: what is open in event loops.
        sync_side: what is open for threads.
    """

    def __init__(self, settings: Settings, store: Store, schema: Schema) -> None:
        self._store = store
        self._schema = schema
        self._max_size = settings.pool_max_size
        self._options: Final[dict[str, Any]] = {"application_name": APPLICATION_NAME, "pooler": settings.pooler}
        self.database = Database(settings.dsn)
        self.hearer: Hearer | None = None
        self.sides: dict[AbstractEventLoop, Side] = {}
        self.sync_side: SyncSide | None = None
        # Whether what is open is lent: it belongs to somebody else, who ends it.
        self._is_lent = False
        # The end of a side that nobody could wait for; the loop keeps no hold of it.
        self._closing: asyncio.Future[None] | None = None
        # Whose connections these are: not a child's that is forked off later.
        self._pid = os.getpid()

    def refuse_missing_schema(self) -> None:
        """From now on opening raises SchemaError if the schema is missing, whatever the settings allow."""
        self._schema.may_be_missing = False

    def lead_to(self, dsn: str) -> None:
        """Before anything was opened: connect there, whatever the settings say."""
        self.database = Database(dsn)

    # -- looking ---------------------------------------------------------------------------

    async def look(self, *, makes: bool) -> None:
        """Connect, and see whether the schema fits; `makes` it if it is missing, and that is allowed."""
        with self._releasing():
            if self.database.must_start:
                await asyncio.to_thread(self.database.start)
            dsn = self.database.dsn
            async with await connect(dsn, **self._options, deadline_s=DEADLINE_S) as connection:
                with _unavailable(dsn):
                    await run(connection, self._schema.prepare(connection, makes=makes))

    def look_sync(self, *, makes: bool) -> None:
        """As `look`, for code without asyncio."""
        with self._releasing():
            self.database.start()
            dsn = self.database.dsn
            with connect_sync(dsn, **self._options, deadline_s=DEADLINE_S) as connection, _unavailable(dsn):
                run_sync(connection, self._schema.prepare(connection, makes=makes))

    @asynccontextmanager
    async def connect(self, *, application_name: str) -> AsyncIterator[AsyncConnection]:
        """A connection of its own, for the length of the block. As `Chancy.connect`."""
        options = {**self._options, "application_name": application_name}
        async with await connect(self.database.dsn, **options) as connection:
            yield connection

    # -- what is open ----------------------------------------------------------------------

    @property
    def side(self) -> Side | None:
        """That of this event loop; where none runs, the only one there is."""
        loop = running_loop()
        if loop is not None:
            return self.sides.get(loop)
        return next(iter(self.sides.values())) if len(self.sides) == 1 else None

    @property
    def here(self) -> Side:
        """What is open in this event loop. Raises NotOpen."""
        side = self.sides.get(asyncio.get_running_loop())
        if side is None:
            raise closed(with_asyncio=True, ever=False)
        return side

    def beside(self, side: Side | SyncSide | None) -> list[Side | SyncSide]:
        """What is open besides this one."""
        return [other for other in self._all() if other is not side]

    def _all(self) -> list[Side | SyncSide]:
        return [*self.sides.values(), *([self.sync_side] if self.sync_side is not None else [])]

    @contextmanager
    def lent(self, sides: dict[AbstractEventLoop, Side], sync_side: SyncSide) -> Iterator[None]:
        """For the length of the block, use these instead of what is open; whoever closes this leaves them open.

        Args:
            sides: those of event loops; asked by `get`.
            sync_side: that of threads.
        """
        before = self.sides, self.sync_side, self._is_lent
        self.sides, self.sync_side, self._is_lent = sides, sync_side, True
        try:
            yield
        finally:
            self.sides, self.sync_side, self._is_lent = before

    # -- opening and closing ---------------------------------------------------------------

    def open_side(self) -> Side:
        """Open the side of this event loop, unless it is open. Nothing is connected yet."""
        loop = asyncio.get_running_loop()
        side = self.sides.get(loop)
        if side is None:
            pool = Pool(self.database.dsn, max_size=self._max_size, **self._options)
            side = self.sides[loop] = new_side(self._store, pool)
        return side

    def open_sync_side(self) -> SyncSide:
        """Open the side of threads, unless it is open. Nothing is connected yet."""
        if self.sync_side is None:
            self.sync_side = self._new_sync_side()
        return self.sync_side

    async def close_side(self) -> None:
        """Close that of this event loop: write what still waits, and disconnect. Cancelled, it disconnects at once."""
        side = None if self._is_lent else self.sides.pop(asyncio.get_running_loop(), None)
        if side is not None:
            with self._releasing(always=True):
                await side.close()

    def close_sync_side(self) -> None:
        """Close that of threads."""
        if self._is_lent:
            return
        side, self.sync_side = self.sync_side, None
        if side is not None:
            with self._releasing(always=True):
                side.pool.close()

    async def close_others(self) -> None:
        """Close all sides; those of other event loops write in these what is waiting to be written."""
        closing = self._closing_elsewhere()
        if closing:
            await asyncio.wait([asyncio.wrap_future(one) for one in closing], timeout=CLOSE_WITHIN_S)
        self.drop()

    def close_others_sync(self) -> None:
        """As `close_others`, for code without asyncio."""
        futures.wait(self._closing_elsewhere(), timeout=CLOSE_WITHIN_S)
        side = self.sides.pop(here, None) if (here := running_loop()) is not None else None
        if side is not None:
            # This thread runs its loop, so that nobody can wait for it here.
            self._closing = asyncio.ensure_future(side.close())
        self.drop()

    def _closing_elsewhere(self) -> list[futures.Future[None]]:
        here, closing = running_loop(), []
        for loop in list(self.sides):
            if loop is here or not loop.is_running():
                continue
            side = self.sides.pop(loop, None)
            if side is not None:
                closing.append(asyncio.run_coroutine_threadsafe(side.close(), loop))
        return closing

    def drop(self) -> None:
        """Close whatever is open at once."""
        sides = [self.sides.pop(loop, None) for loop in list(self.sides)]
        for side in sides:
            if side is not None:
                side.close_now()
        with self._releasing(always=True):
            self.close_sync_side()

    def leave_dead_loops(self) -> bool:
        """Forget what was opened in event loops that have ended without closing it; whether there was any."""
        dead = [loop for loop in list(self.sides) if loop.is_closed()]
        for loop in dead:
            side = self.sides.pop(loop, None)
            if side is not None:
                side.close_now()
        return bool(dead)

    # -- forks -----------------------------------------------------------------------------

    @property
    def is_inherited(self) -> bool:
        """Whether they are those of the process off which this one was forked."""
        return self._pid != os.getpid()

    def take_over(self) -> bool:
        """In a child that was forked off: leave to its parent what is its parent's; whether there was anything to do.

        The sockets lead nowhere here by now. What `sync_open` has opened is open here too, with connections of its own;
        the rest opens itself again.
        """
        if not self.is_inherited:
            return False
        inherited = self.sync_side
        _PARENTS.append((self.sides, inherited, self.database.leave_to_parent()))
        self.sides, self.sync_side = {}, None
        if inherited is not None and inherited.lasting:
            self.sync_side = self._new_sync_side()
            self.sync_side.lasting = self.sync_side.ready = True
        self._pid = os.getpid()
        return True

    def _new_sync_side(self) -> SyncSide:
        pool = SyncPool(self.database.dsn, max_size=self._max_size, **self._options)
        pool.open()
        return SyncSide(pool)

    @contextmanager
    def _releasing(self, *, always: bool = False) -> Iterator[None]:
        """Let the embedded server go at the end, if that failed or `always`, unless another side needs it."""
        try:
            yield
        except BaseException:
            always = True
            raise
        finally:
            if always and not self._all():
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
