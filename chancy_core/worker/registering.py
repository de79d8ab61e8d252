"""Registering: a worker makes itself known before it begins, and takes that back if it does not begin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from chancy_core.log import log
from chancy_core.store.store import Store
from chancy_core.store.weather import is_weather, text_of
from chancy_core.store.workers import Registration, register_worker, resign_worker

if TYPE_CHECKING:
    from chancy_core.worker.wiring import Parts

T = TypeVar("T")

# For how long a worker that starts waits for its database, and how often it asks, in seconds.
START_WITHIN_S: Final = 30.0
START_PAUSE_S: Final = 0.5
# How long one that does not start may try to take back its row: perhaps the database does not answer.
UNREGISTER_WITHIN_S: Final = 1.0


async def register(parts: Parts, store: Store, registration: Registration, lease_s: float) -> float:
    """Make a worker known, and let it hear what it is told; when that was sent, by the loop's clock.

    Raises:
        Exception: what came in the way; its connection is closed then, and nobody knows the worker.
    """

    async def registered() -> float:
        sent_at = asyncio.get_running_loop().time()
        await parts.claims.run(register_worker(store, registration, lease_s))
        await parts.deliverer.listen()
        return sent_at

    try:
        return await in_time(registered)
    except BaseException:
        # Also if it was told to stop: its row may be there by now, and would look alive until its lease ran out.
        try:
            await _unregister(parts, store, registration.worker)
        finally:
            # The loop watches it, and would keep it for ever.
            await parts.claims.close()
        raise


async def in_time(step: Callable[[], Awaitable[T]]) -> T:
    """Do a step of the start, again and again for a while if the database is not ready just then."""
    loop = asyncio.get_running_loop()
    until = loop.time() + START_WITHIN_S
    while True:
        try:
            return await step()
        except Exception as error:
            if not is_weather(error) or loop.time() > until:
                raise
            log.warning("start_waits", error=text_of(error))
        await asyncio.sleep(START_PAUSE_S)


async def _unregister(parts: Parts, store: Store, worker: str) -> None:
    """Remove its row, if it is there and the database lets us."""
    removing = asyncio.ensure_future(parts.claims.run(resign_worker(store, worker)))
    # What went wrong with the start is told; this is likely to be the same, and may come when nobody waits any more.
    removing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    await asyncio.wait({removing}, timeout=UNREGISTER_WITHIN_S)
    removing.cancel()
