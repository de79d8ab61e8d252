"""Status: tell, now and then, how worker and plugins do, and what it cannot run or serve, for people to look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chancy_core.executors.memory import family_bytes
from chancy_core.plugins import PluginHost
from chancy_core.values.workerinfo import WorkerStatus
from chancy_core.worker.duty import jittered
from chancy_core.worker.queues import Lanes

# How often it is looked whether there is anything new. It is written with the next renewal of the lease.
LOOK_S: Final = 2.0
# By so much of what was told the memory has to change to be news: it changes always.
MEMORY_NEWS: Final = 0.1


class StatusTeller:
    """Tells what has changed. `run` is the duty.

    Args:
        plugins: whose status it is.
        lanes: what the worker serves, and what of it it cannot run.
        tell: takes it, to be written when it costs nothing.
    """

    def __init__(self, plugins: PluginHost, lanes: Lanes, tell: Callable[[WorkerStatus], None]) -> None:
        self._plugins: Final = plugins
        self._lanes: Final = lanes
        self._tell: Final = tell

    async def run(self) -> None:
        """Look for what has changed, for ever."""
        told: object = None
        held = 0
        while True:
            status = replace(
                self._plugins.status(),
                unable=self._lanes.unable(),
                unserved=self._lanes.unserved(),
                slots=self._lanes.slots,
                memory_bytes=family_bytes(),
            )
            memory = status.memory_bytes or 0
            # The ages of the same things are no news.
            news = (
                status.leads,
                [(plugin.ticks, plugin.failures) for plugin in status.plugins],
                [(one.queue, one.func, one.problem) for one in status.unable],
                status.unserved,
                status.slots,
            )
            if news != told or abs(memory - held) > held * MEMORY_NEWS:
                self._tell(status)
                told, held = news, memory
            await asyncio.sleep(jittered(LOOK_S))
