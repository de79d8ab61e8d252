"""Tell plugins that an application has opened its Chancy, and that it closes it: once each."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

# Whose plugins are being told, by whatever calls this.
_TELLING: ContextVar[Telling | None] = ContextVar("chancy_telling", default=None)


class Telling:
    """What the plugins of one Chancy have been told.

    The sides of event loops and that of threads may be open at once, and are one opening.
    """

    def __init__(self, chancy: Chancy) -> None:
        self._chancy = chancy
        # The process that was told: a child that is forked off has opened nothing itself.
        self._told_in: int | None = None

    @property
    def is_telling(self) -> bool:
        """Whether this code is called by a plugin's `on_open` for this Chancy."""
        return _TELLING.get() is self

    async def opened(self) -> None:
        """Tell that it is open, unless they know. Raises PluginError, naming the plugin that failed."""
        if self._is_news():
            await self._tell()

    def opened_sync(self) -> None:
        """As `opened`, for code without asyncio."""
        if self._is_news() and self._chancy.plugins.has("on_open"):
            _run_apart(self._in_a_loop)

    def closing(self) -> None:
        """Tell that it is about to be closed, if they were told that it is open."""
        told_in, self._told_in = self._told_in, None
        if told_in == os.getpid():
            self._chancy.plugins.on_close(self._chancy)

    def _is_news(self) -> bool:
        if self._told_in == os.getpid() or not self._chancy.schema_fits:
            return False
        self._told_in = os.getpid()
        return True

    async def _tell(self) -> None:
        before = _TELLING.set(self)
        try:
            await self._chancy.plugins.on_open(self._chancy)
        finally:
            _TELLING.reset(before)

    async def _in_a_loop(self) -> None:
        connections = self._chancy.connections
        connections.open_side()
        try:
            await self._tell()
        finally:
            await connections.close_side()


def _run_apart(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in an event loop of a thread of its own, because this thread may have one that runs."""
    done: Future[None] = Future()

    async def told() -> None:
        try:
            await work()
        except BaseException as error:  # noqa: BLE001 -- raised again where somebody waits for it
            done.set_exception(error)
        else:
            done.set_result(None)

    # It is left behind if a hook swallows its cancellation, which would keep the loop from ending.
    threading.Thread(target=lambda: asyncio.run(told()), name="chancy.on_open", daemon=True).start()
    done.result()
