"""What is open in one event loop, and where it may be used."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from chancy_core.app.pushing import Pusher
from chancy_core.app.turns import Turns
from chancy_core.app.waiting import Waiter
from chancy_core.errors import NotOpen
from chancy_core.store import Pool, Store


class Side(NamedTuple):
    """What is open in an event loop.

    Attributes:
        pool: its connections.
        pusher: writes its single pushes.
        waiter: watches the jobs that it waits for.
        loop: the event loop.
        turns: who may encode a large job.
    """

    pool: Pool
    pusher: Pusher
    waiter: Waiter
    loop: asyncio.AbstractEventLoop
    turns: Turns

    @property
    def is_here(self) -> bool:
        """Whether this code runs in its event loop."""
        return self.loop is running_loop()

    async def close(self) -> None:
        """Write what is still waiting to be written, and disconnect; the latter also if this is cancelled."""
        try:
            if self.is_here:
                await self.pusher.close()
        finally:
            try:
                if self.is_here:
                    await self.waiter.close()
            finally:
                self.pool.close_now()


def new_side(store: Store, pool: Pool) -> Side:
    """Open what an event loop needs: the one that runs this code."""
    pool.open_now()
    return Side(
        pool,
        Pusher(store, pool, notifications=store.notifications),
        Waiter(store, pool),
        asyncio.get_running_loop(),
        Turns(),
    )


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs this code, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def not_here(side: Side | None, *, forked_from: int | None) -> NotOpen:
    """The error for whoever uses what is not open here, with what to do instead.

    Args:
        side: what is open somewhere else, if anything is.
        forked_from: the process that opened it, if this is a child of it.
    """
    if forked_from is not None:
        return NotOpen(
            f"This Chancy was opened by process {forked_from}, and this one was forked off it: use it inside "
            "`async with Chancy(…) as chancy:` of its own. (The methods that begin with sync_ work after a fork.)"
        )
    if side is None:
        return NotOpen("This Chancy is not open: use it inside `async with Chancy(…) as chancy:`.")
    return NotOpen(
        "This Chancy was opened in another event loop, which its connections belong to: open one in each loop "
        "(each asyncio.run makes a loop of its own), hand work to the other loop with "
        "asyncio.run_coroutine_threadsafe, or use the methods that begin with sync_."
    )
