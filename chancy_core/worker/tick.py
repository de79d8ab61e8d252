"""Tick: one task for each ticking plugin, never overlapping, with a timeout."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from chancy_core.app import Chancy
from chancy_core.plugins import Plugin, Tick
from chancy_core.store.flow import Flow
from chancy_core.store.weather import is_weather
from chancy_core.worker.duty import LONGEST_PAUSE_S, jittered

# A plugin whose ticks fail comes back more and more slowly, at most so many intervals apart.
BACKOFF_MAX: Final = 32
# How often a worker that does not lead looks whether it does by now, in seconds; that is asked of memory.
LOOK_S: Final = 0.5


class Ticker:
    """The ticks of one plugin on one worker."""

    def __init__(self, chancy: Chancy, plugin: Plugin, worker: str) -> None:
        self._chancy = chancy
        self._plugin = plugin
        self._worker = worker

    async def run(self) -> None:
        """Tick, until the plugin's ticks are switched off."""
        loop = asyncio.get_running_loop()
        interval_s = self._plugin.interval or LONGEST_PAUSE_S
        backoff = 1
        while self._chancy.plugins.has("on_tick", self._plugin.name):
            leads = await self._turn()
            start = loop.time()
            try:
                well = await self._tick(leads)
            except Exception as error:
                if not is_weather(error):
                    raise
                # Weather: it is the next tick that counts, but a long interval must not pass for a short outage.
                await asyncio.sleep(min(interval_s, LONGEST_PAUSE_S))
                continue
            backoff = 1 if well else min(backoff * 2, BACKOFF_MAX)
            await asyncio.sleep(max(start + interval_s * backoff - loop.time(), 0))

    async def _turn(self) -> bool:
        """Wait until it is for this worker to tick. Returns whether it leads.

        Whoever becomes the leader ticks soon, because when the one before it ticked last is not known here: with an
        interval of an hour, nobody must wait for two.
        """
        while not (leads := self._chancy.plugins.is_leader()) and self._plugin.leader_only:  # noqa: ASYNC110 -- it is memory that answers
            await asyncio.sleep(jittered(min(self._plugin.interval or LOOK_S, LOOK_S)))
        return leads

    async def _tick(self, leads: bool) -> bool:
        host = self._chancy.plugins
        now = await self._chancy.pool.run(self._now)
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
