"""Tick: one task for each ticking plugin, never overlapping, with a timeout."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from chancy_core.app import Chancy
from chancy_core.plugins import Plugin, Tick
from chancy_core.store.connect import lost
from chancy_core.store.flow import Flow
from chancy_core.worker.duty import LONGEST_PAUSE_S

# A plugin whose ticks fail comes back more and more slowly, at most so many intervals apart.
BACKOFF_MAX: Final = 32


class Ticker:
    """The ticks of one plugin on one worker."""

    def __init__(self, chancy: Chancy, plugin: Plugin, worker: str) -> None:
        self._chancy = chancy
        self._plugin = plugin
        self._worker = worker

    async def run(self) -> None:
        """Tick, for ever."""
        loop = asyncio.get_running_loop()
        interval_s = self._plugin.interval or LONGEST_PAUSE_S
        backoff = 1
        while True:
            start = loop.time()
            well = await self._tick()
            backoff = 1 if well else min(backoff * 2, BACKOFF_MAX)
            pause_s = interval_s * backoff if not well else interval_s
            await asyncio.sleep(max(start + pause_s - loop.time(), 0))

    async def _tick(self) -> bool:
        host = self._chancy.plugins
        leads = host.is_leader()
        if self._plugin.leader_only and not leads:
            return True
        try:
            now = await self._chancy.pool.run(self._now)
        except Exception as error:
            if lost(error):
                # Weather: the next tick is soon enough.
                return True
            raise
        return await host.on_tick(
            self._plugin,
            Tick(
                now,
                leads,
                self._worker,
                self._chancy.settings.schema,
                self._chancy.push,
                self._chancy.pool.connection,
            ),
        )

    def _now(self) -> Flow[datetime]:
        ((now,),) = yield self._chancy.store.query("now")
        assert isinstance(now, datetime)  # noqa: S101 -- tells the type checker
        return now
