"""Status: tell, now and then, how the plugins do, for people to look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from chancy_core.plugins import PluginHost
from chancy_core.values.workerinfo import WorkerStatus
from chancy_core.worker.duty import jittered

# How often it is looked whether there is anything new. It is written with the next renewal of the lease.
LOOK_S: Final = 2.0


class StatusTeller:
    """Tells what has changed. `run` is the duty, for workers that have plugins.

    Args:
        plugins: whose status it is.
        tell: takes it, to be written when it costs nothing.
    """

    def __init__(self, plugins: PluginHost, tell: Callable[[WorkerStatus], None]) -> None:
        self._plugins: Final = plugins
        self._tell: Final = tell

    async def run(self) -> None:
        """Look for what has changed, for ever."""
        told: object = None
        while True:
            status = self._plugins.status()
            # The ages of the same things are no news.
            news = (status.leads, [(plugin.ticks, plugin.failures) for plugin in status.plugins])
            if news != told:
                self._tell(status)
                told = news
            await asyncio.sleep(jittered(LOOK_S))
