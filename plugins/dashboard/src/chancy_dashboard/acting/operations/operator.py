"""What advances operations, in each process that serves a dashboard."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from chancy import Chancy
from chancy.plugin import is_outage, log, text_of
from chancy_dashboard.acting.operations import store
from chancy_dashboard.acting.operations.advancing import LEASE_S, advance
from chancy_dashboard.acting.operations.values import Operation

# How often it looks for operations that another process has left. Those that are begun here are told of at once.
EVERY_S: Final = 10.0
# How long whoever asks for a count waits for it: of some ten thousand jobs it is there by then.
COUNTED_WITHIN_S: Final = 1.0
# How long a process that ends tries to say so.
PATIENCE_S: Final = 2.0

# Those that advance, by the application that they do it with.
_OF: Final[weakref.WeakKeyDictionary[Chancy, Operator]] = weakref.WeakKeyDictionary()


class Operator:
    """Advances operations, one at a time, while a dashboard is served. One per event loop.

    Args:
        act: gives the application that can change things.
    """

    def __init__(self, act: Callable[[], Awaitable[Chancy]]) -> None:
        self._act: Final = act
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None
        self._holder: Final = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def begin(self) -> None:
        """Advance what there is, from now on; where it does so already, nothing."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._wake = asyncio.Event()
            self._task = loop.create_task(self._run(self._wake), name="chancy_dashboard.acting.operations")

    def wake(self) -> None:
        """Look at once."""
        self.begin()
        if self._wake is not None:
            self._wake.set()

    async def close(self) -> None:
        """Stop, between two batches. Another process, or the next one, goes on."""
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self, wake: asyncio.Event) -> None:
        told = False
        while True:
            wake.clear()
            try:
                chancy = await self._act()
                _OF[chancy] = self
                while await self._advance_one(chancy):
                    pass
                told = False
            except Exception as error:  # noqa: BLE001 -- it goes on when the database is back
                if not told:
                    log.warning("dashboard_operations_wait", error=text_of(error), outage=is_outage(error))
                told = True
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), EVERY_S)

    async def _advance_one(self, chancy: Chancy) -> bool:
        """Advance an operation as far as it goes; whether there was one."""
        operation = await store.take(chancy, self._holder, LEASE_S)
        if operation is None:
            return False
        try:
            await advance(chancy, operation)
        except asyncio.CancelledError:
            # This process ends: the next one need not wait for the lease.
            with suppress(Exception):
                await asyncio.wait_for(store.release(chancy, operation), PATIENCE_S)
            raise
        return True


def wake(chancy: Chancy) -> None:
    """Have what was begun with this application advanced at once, if its dashboard is served here."""
    if (operator := _OF.get(chancy)) is not None:
        operator.wake()


async def counted(chancy: Chancy, id_: uuid.UUID) -> Operation | None:
    """An operation that has just been begun, once its jobs are counted, or as far as that is after a moment."""
    operation = await store.take(chancy, f"here:{uuid.uuid4().hex}", LEASE_S, id_)
    if operation is None:
        return await store.get(chancy, id_)
    try:
        async with asyncio.timeout(COUNTED_WITHIN_S):
            return await advance(chancy, operation)
    except TimeoutError:
        await store.release(chancy, operation)
        wake(chancy)
        return await store.get(chancy, id_)
