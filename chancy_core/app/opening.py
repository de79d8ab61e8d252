"""When a Chancy is open: from its first use, or from `open`, until it is closed, or the process ends.

Each event loop and the threads together have a side of their own, which is opened by whoever needs it first. A side
that was opened by `open` is closed by `close`; those that opened themselves are closed with the last of these.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from asyncio import AbstractEventLoop, Task
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from chancy_core.app.connections import Connections
from chancy_core.app.schema import Schema
from chancy_core.app.side import Side, SyncSide, closed, running_loop
from chancy_core.app.telling import Telling
from chancy_core.errors import NotOpen
from chancy_core.store import Pool

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

# In a child that was forked off, one thread makes what is its parent's its own.
_forked: Final = threading.RLock()
OPEN_ALREADY: Final = "This Chancy is open already."


class Opening:
    """Opens the sides of one Chancy, and closes them.

    Args:
        chancy: whose sides these are; plugins are told of it.
        connections: where they are kept.
        schema: is looked at before the first of them is opened, and until it fits.

    Attributes:
        telling: what plugins have been told.
    """

    def __init__(self, chancy: Chancy, connections: Connections, schema: Schema) -> None:
        self._connections: Final = connections
        self._schema: Final = schema
        self.telling: Final = Telling(chancy)
        self._closed = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        # Who opens a side of a loop now, and whether it may make the schema.
        self._tasks: dict[AbstractEventLoop, tuple[Task[Side], bool]] = {}
        # Those loops in which somebody has called `open`, which has not returned.
        self._asked: set[AbstractEventLoop] = set()
        self._sync = threading.Lock()

    def _in_this_process(self) -> None:
        if self._connections.is_inherited:
            with _forked:
                if self._connections.take_over():
                    self._begin_anew()

    # -- an event loop ---------------------------------------------------------------------

    @property
    def here(self) -> Side | None:
        """The side of this event loop, if it is open and the schema fits: the short way for what is done often."""
        side = self._connections.sides.get(asyncio.get_running_loop())
        return side if side is not None and side.ready and self._schema.problem is None else None

    async def ready(self, *, makes: bool = False, fits: bool = True) -> Side:
        """The side of this event loop, which is opened if it is not open.

        Args:
            makes: whether a schema that is missing may be made.
            fits: False: also if the schema does not fit.

        Raises:
            NotOpen: it has been closed.
            SchemaError: the schema does not fit this code, or is missing.
            DatabaseUnavailable: nothing answers there.
            PluginError: a plugin's `on_open` failed.
        """
        self._in_this_process()
        side = self._connections.side
        if self.telling.is_telling:
            # A hook uses what is being opened.
            side = side or self._connections.open_side()
        elif side is None or not side.ready or not self._schema.fits:
            side = await self._opened(makes=makes)
        if fits:
            self._schema.check()
        return side

    async def _opened(self, *, makes: bool, lasting: bool = False) -> Side:
        """The side of this loop, which is opened by one task for all who need it."""
        loop = asyncio.get_running_loop()
        while True:
            task, may_make = self._tasks.get(loop, (None, makes))
            if task is None:
                opening = self._open_here(makes=makes, lasting=lasting)
                task = loop.create_task(opening, name="chancy.open", context=Context())
                self._tasks[loop] = task, makes
                task.add_done_callback(self._forget)
            try:
                side = await asyncio.shield(task)
            except asyncio.CancelledError:
                if lasting:
                    task.cancel()
                    await asyncio.wait([task])
                elif task.cancelled() and not _is_cancelled():
                    # Not this one was cancelled, but whoever had called `open`.
                    continue
                raise
            if self._schema.fits or may_make or not makes:
                return side

    def _forget(self, task: Task[Side]) -> None:
        self._tasks.pop(task.get_loop(), None)
        if not task.cancelled():
            # Those who waited know; nobody may have waited to the end.
            task.exception()

    async def _open_here(self, *, makes: bool, lasting: bool) -> Side:
        self._leave_dead_loops()
        if not lasting:
            self._check_not_closed(with_asyncio=True)
        if lasting or self._must_look:
            await self._connections.look(makes=makes)
        if not lasting:
            self._check_not_closed(with_asyncio=True)
        side = self._connections.open_side()
        _OPEN.add(self)
        try:
            await self.telling.opened()
        except BaseException:
            if not self._connections.beside(side):
                self.telling.closing()
            await self._connections.close_side()
            raise
        side.ready = True
        if lasting:
            side.lasting, self._closed = True, False
        return side

    async def open(self) -> None:
        """As `Chancy.open`."""
        self._in_this_process()
        self._leave_dead_loops()
        loop, side = asyncio.get_running_loop(), self._connections.side
        if side is not None and side.lasting:
            raise NotOpen(OPEN_ALREADY)
        if loop in self._asked:
            raise NotOpen("This Chancy is being opened already, by another task: open it once, before they start.")
        self._asked.add(loop)
        try:
            if loop in self._tasks:
                # It is opening itself; what becomes of that is told to whoever needed it.
                await asyncio.wait([self._tasks[loop][0]])
            side = self._connections.side
            if side is not None and side.ready and self._schema.fits:
                side.lasting, self._closed = True, False
            else:
                await self._opened(makes=True, lasting=True)
        finally:
            self._asked.discard(loop)

    async def close(self) -> None:
        """As `Chancy.close`."""
        self._in_this_process()
        if (opening := self._tasks.get(asyncio.get_running_loop())) is not None:
            opening[0].cancel()
            await asyncio.wait([opening[0]])
        self._leave_dead_loops()
        wholly = not any(other.lasting for other in self._connections.beside(self._connections.side))
        if wholly:
            self._closed = True
            self.telling.closing()
        try:
            await self._connections.close_side()
        finally:
            if wholly:
                await self._connections.close_others()

    # -- threads ---------------------------------------------------------------------------

    @property
    def here_sync(self) -> SyncSide | None:
        """As `here`, for code without asyncio."""
        if self._connections.is_inherited:
            return None
        side = self._connections.sync_side
        return side if side is not None and side.ready and self._schema.problem is None else None

    def ready_sync(self, *, makes: bool = False, fits: bool = True) -> SyncSide:
        """As `ready`, for code without asyncio."""
        self._in_this_process()
        side = self._connections.sync_side
        if side is None or not side.ready or not self._schema.fits:
            if self.telling.is_telling:
                side = side or self._connections.open_sync_side()
            else:
                with self._sync:
                    side = self._connections.sync_side
                    if side is None or not side.ready or not self._schema.fits:
                        side = self._open_sync(makes=makes, lasting=False)
        if fits:
            self._schema.check()
        return side

    def _open_sync(self, *, makes: bool, lasting: bool) -> SyncSide:
        self._leave_dead_loops()
        if not lasting:
            self._check_not_closed(with_asyncio=False)
        if lasting or self._must_look:
            self._connections.look_sync(makes=makes)
        side = self._connections.open_sync_side()
        _OPEN.add(self)
        try:
            self.telling.opened_sync()
        except BaseException:
            if not self._connections.beside(side):
                self.telling.closing()
            self._connections.close_sync_side()
            raise
        side.ready = True
        if lasting:
            side.lasting, self._closed = True, False
        return side

    def open_sync(self) -> None:
        """As `Chancy.sync_open`."""
        self._in_this_process()
        with self._sync:
            side = self._connections.sync_side
            if side is not None and side.lasting:
                raise NotOpen(OPEN_ALREADY)
            if side is not None and side.ready and self._schema.fits:
                side.lasting, self._closed = True, False
            else:
                self._open_sync(makes=True, lasting=True)

    def close_sync(self) -> None:
        """As `Chancy.sync_close`."""
        self._in_this_process()
        self._leave_dead_loops()
        wholly = not any(other.lasting for other in self._connections.beside(self._connections.sync_side))
        if wholly:
            self._closed = True
            self.telling.closing()
        self._connections.close_sync_side()
        if wholly:
            self._connections.close_others_sync()

    # -- both ------------------------------------------------------------------------------

    @property
    def pool(self) -> Pool:
        """The connections of this event loop. Raises NotOpen."""
        self._in_this_process()
        side = self._connections.side
        if side is None:
            # Nothing is connected yet, so that nothing has to be awaited; the first operation looks at the schema.
            if running_loop() is None or self._connections.database.must_start or self._closed:
                raise closed(with_asyncio=True, ever=self._closed)
            side = self._connections.open_side()
            _OPEN.add(self)
        return side.pool

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed, and does not open itself again."""
        return self._closed

    @property
    def _must_look(self) -> bool:
        """Whether the database is not known to have what this code needs."""
        return not (self._schema.looked and self._schema.fits) or self._connections.database.must_start

    def _check_not_closed(self, *, with_asyncio: bool) -> None:
        if self._closed:
            raise closed(with_asyncio=with_asyncio, ever=True)

    def _leave_dead_loops(self) -> None:
        """Forget what was opened in event loops that have ended without closing it."""
        if self._connections.leave_dead_loops() and not self._connections.beside(None):
            self.telling.closing()

    def end(self) -> None:
        """The process ends: tell plugins, and let go of whatever is open."""
        if not self._connections.is_inherited:
            self.telling.closing()
            self._connections.drop()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


# Those that may be open.
_OPEN: Final[WeakSet[Opening]] = WeakSet()


def _end_all() -> None:
    for opening in list(_OPEN):
        # Nobody can be told any more.
        with suppress(Exception):
            opening.end()


atexit.register(_end_all)
