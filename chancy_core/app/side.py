"""What is open in one event loop, or for threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from chancy_core.app.loopends import LoopEnd
from chancy_core.app.pushing import Pusher
from chancy_core.app.waiting import Waiter
from chancy_core.errors import NotOpen
from chancy_core.store import Flow, Pool, Store, SyncPool
from chancy_core.store.write import Hearer
from chancy_core.values.turns import Turns

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class SyncSide:
    """What is open for threads. As `Side`."""

    pool: SyncPool
    ready: bool = False
    lasting: bool = False

    def ask(self, begin: Callable[[], Flow[T]], *, repeatable: bool) -> T:
        """Run a flow, as `Side.ask`. No hook hears of what ends by it, because hooks are coroutines."""
        return self.pool.run(begin) if repeatable else self.pool.write(begin())


@dataclass(slots=True, eq=False)
class Side:
    """What is open in an event loop.

    Attributes:
        pool: its connections.
        pusher: writes its single pushes.
        waiter: watches the jobs that it waits for.
        loop: the event loop.
        turns: who may encode a large job.
        end: disconnects what is idle when the event loop ends and nobody has closed this.
        ready: whether the schema has been looked at, and plugins have been told.
        lasting: whether `open` has opened it, so that it stays open until `close`.
    """

    pool: Pool
    pusher: Pusher
    waiter: Waiter
    loop: asyncio.AbstractEventLoop
    turns: Turns
    end: LoopEnd
    ready: bool = False
    lasting: bool = False

    async def ask(self, begin: Callable[[], Flow[T]], *, repeatable: bool, hearer: Hearer | None = None) -> T:
        """Run a flow.

        Args:
            begin: begins it.
            repeatable: whether it may be run again from its start, after an answer was lost. If not, each of its steps
                is done once, in a transaction of its own, in which `hearer` hears of the jobs that end by it.
            hearer: asked, at each such step, who hears of that.

        Raises:
            DatabaseUnavailable: as `Pool.run` and `Pool.write`.
        """
        return await (self.pool.run(begin) if repeatable else self.pool.write(begin(), hearer))

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
                self.close_now()

    def close_now(self) -> None:
        """Disconnect."""
        self.pool.close_now()
        self.end.leave()


def new_side(store: Store, pool: Pool) -> Side:
    """Open what an event loop needs: the one that runs this code."""
    pool.open_now()
    return Side(
        pool,
        Pusher(store, pool, notifications=store.notifications),
        Waiter(store, pool),
        asyncio.get_running_loop(),
        Turns(),
        LoopEnd(pool.drop_idle),
    )


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs this code, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def closed(*, with_asyncio: bool, ever: bool) -> NotOpen:
    """The error for whoever uses what is not open, with what to do instead.

    Args:
        with_asyncio: whether he uses it in an event loop.
        ever: whether it was closed, so that it does not open itself again.
    """
    if with_asyncio:
        block, call = "async with Chancy(…) as chancy:", "await chancy.open()"
    else:
        block, call = "with Chancy(…) as chancy:", "chancy.sync_open()"
    if not ever:
        return NotOpen(
            "This Chancy is not open in this event loop. What is awaited, such as push, opens it at its first use; for "
            f"anything else use it inside `{block}`, or `{call}` first."
        )
    return NotOpen(
        f"This Chancy has been closed. Use it inside `{block}`, or open it again with `{call}`. One that nobody closes "
        "opens itself at its first use, and is closed at the end of the process."
    )
