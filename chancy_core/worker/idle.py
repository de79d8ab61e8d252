"""Waiting until a worker has nothing left to do: for containers and tests that run what there is, and end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from chancy_core.log import log
from chancy_core.store.unfinished import Unfinished, find_unfinished
from chancy_core.store.weather import is_weather, text_of

if TYPE_CHECKING:
    from chancy_core.worker.worker import Worker

# Between two looks. Each is one short statement, and whoever waits for the end of a container waits for seconds anyway.
LOOK_S: Final = 0.25


async def until_idle(worker: Worker, *, within_s: float = 0.0) -> Unfinished:
    """Wait until there is nothing that a worker could do: nothing runs there or waits for it, and nothing is due soon.

    Jobs that others run do not count, nor do those of queues that are paused, or of functions that this worker cannot
    run: of these, the answer says whether there are any.

    Args:
        worker: one that has been started.
        within_s: how soon a job must be due to be waited for, in seconds.
    """
    chancy = worker.chancy
    while True:
        left = {(one.queue, one.func) for one in worker.unable}
        try:
            found = await chancy.pool.run(
                lambda left=left: find_unfinished(  # type: ignore[misc]  # a lambda's default has no type
                    chancy.store,
                    worker.name,
                    queues=worker.slots(),
                    left=left,
                    within_s=within_s,
                    plugins=chancy.plugins.listening,
                )
            )
        except Exception as error:
            if not is_weather(error):
                raise
            log.warning("idle_not_known", worker=worker.name, error=text_of(error))
        else:
            if found.idle and not worker.running:
                return found
        await asyncio.sleep(LOOK_S)
