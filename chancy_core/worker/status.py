"""Status: tell, now and then, how the plugins do and what the worker cannot run or serve, for people to look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chancy_core.plugins import PluginHost
from chancy_core.values.workerinfo import UnableStatus, UnservedStatus, WorkerStatus
from chancy_core.worker.duty import jittered

# How often it is looked whether there is anything new. It is written with the next renewal of the lease.
LOOK_S: Final = 2.0


class StatusTeller:
    """Tells what has changed. `run` is the duty.

    Args:
        plugins: whose status it is.
        unable: the functions that the worker cannot run.
        unserved: the queues that it should serve and does not.
        tell: takes it, to be written when it costs nothing.
    """

    def __init__(
        self,
        plugins: PluginHost,
        unable: Callable[[], list[UnableStatus]],
        unserved: Callable[[], list[UnservedStatus]],
        tell: Callable[[WorkerStatus], None],
    ) -> None:
        self._plugins: Final = plugins
        self._unable: Final = unable
        self._unserved: Final = unserved
        self._tell: Final = tell

    async def run(self) -> None:
        """Look for what has changed, for ever."""
        # A worker without plugins that can run and serve everything has nothing to say.
        told: object = None if self._plugins.loaded else (None, [], [], [])
        while True:
            status = replace(self._plugins.status(), unable=self._unable(), unserved=self._unserved())
            # The ages of the same things are no news.
            news = (
                status.leads,
                [(plugin.ticks, plugin.failures) for plugin in status.plugins],
                [(one.queue, one.func, one.problem) for one in status.unable],
                status.unserved,
            )
            if news != told:
                self._tell(status)
                told = news
            await asyncio.sleep(jittered(LOOK_S))
