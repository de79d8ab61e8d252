"""Tick: one task for each ticking plugin, never overlapping, with a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.app import Chancy
from chancy_core.plugins import HookPutOff, Plugin, Tick
from chancy_core.plugins.calling import cancel_request, cut, send_cancel
from chancy_core.store import run
from chancy_core.store.bounded import BoundedAsyncConnection
from chancy_core.store.flow import AsyncConnection, Flow
from chancy_core.store.weather import is_weather
from chancy_core.worker.duty import FIRST_PAUSE_S, LONGEST_PAUSE_S, jittered

# A plugin whose ticks fail comes back more and more slowly, at most so many intervals apart.
BACKOFF_MAX: Final = 32
# How often a worker that does not lead looks whether it does by now, in seconds; that is asked of memory.
LOOK_S: Final = 0.5
# A statement that the database does not answer is given up a little before the tick's own time is over.
SILENCE: Final = 0.9
# How long it may take to find out what a tick waits for. A database that does not answer that either is the reason.
LOOK_WITHIN_S: Final = 2.0


class Ticker:
    """The ticks of one plugin on one worker."""

    def __init__(self, chancy: Chancy, plugin: Plugin, worker: str) -> None:
        self._chancy = chancy
        self._plugin = plugin
        self._worker = worker
        # Those that the tick has just now.
        self._connections: list[AsyncConnection] = []

    async def run(self) -> None:
        """Tick, until the plugin's ticks are switched off."""
        loop = asyncio.get_running_loop()
        interval_s = self._plugin.interval or LONGEST_PAUSE_S
        backoff = 1
        pause_s = FIRST_PAUSE_S
        while self._chancy.plugins.has("on_tick", self._plugin.name):
            leads = await self._turn()
            start = loop.time()
            try:
                well = await self._tick(leads)
            except Exception as error:
                if not (isinstance(error, HookPutOff) or is_weather(error)):
                    raise
                # Weather: it is the next tick that counts, but a long interval must not pass for a short outage. And it
                # comes soon, because a connection that was lost while nobody used it is found out by using it.
                await asyncio.sleep(min(interval_s, jittered(pause_s), LONGEST_PAUSE_S))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            pause_s = FIRST_PAUSE_S
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
        async with self._connection() as connection:
            now = await run(connection, self._now())
        chancy = self._chancy
        tick = Tick(now, leads, self._worker, chancy.settings.schema, chancy.push, chancy.push_many, self._connection)
        well = await host.on_tick(self._plugin, tick, self._hindered)
        if not host.has("on_tick", self._plugin.name):
            # It was left behind, and must not keep what everybody shares.
            for connection in list(self._connections):
                await cut(connection)
        return well

    def _now(self) -> Flow[datetime]:
        ((now,),) = yield self._chancy.store.query("now")
        assert isinstance(now, datetime)  # noqa: S101 -- tells the type checker
        return now

    # -- connections on which no wait is for ever ----------------------------------------------

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection of the pool that is given up when nothing comes from the database for too long."""
        async with self._chancy.pool.connection() as connection:
            # What ends its statement; afterwards there may be no connection left to say it on.
            request = cancel_request(connection)
            before = _set_deadline(connection, self._deadline_s)
            self._connections.append(connection)
            try:
                yield connection
            except psycopg.OperationalError:
                if connection.broken:
                    # It may wait for a lock in the server still, and would then take the place of another.
                    await send_cancel(request)
                raise
            finally:
                self._connections.remove(connection)
                _set_deadline(connection, before)

    @property
    def _deadline_s(self) -> float:
        most_s = self._plugin.tick_timeout_s * SILENCE
        return most_s if self._plugin.answer_within_s is None else min(most_s, self._plugin.answer_within_s)

    async def _hindered(self) -> bool:
        """Whether the tick waits for a lock that somebody holds, or for a database that does not answer."""
        waits = [one for one in self._connections if one.info.transaction_status is TransactionStatus.ACTIVE]
        if not waits:
            return False
        try:
            async with asyncio.timeout(LOOK_WITHIN_S), self._chancy.pool.connection() as connection:
                before = _set_deadline(connection, LOOK_WITHIN_S / 2)
                try:
                    found = await run(connection, self._count_blocked([one.info.backend_pid for one in waits]))
                finally:
                    _set_deadline(connection, before)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it does not say that the tick waits for a lock
            return isinstance(error, TimeoutError) or is_weather(error)
        return found > 0

    def _count_blocked(self, backends: list[int]) -> Flow[int]:
        ((count,),) = yield self._chancy.store.query("count_blocked", backends=backends)
        return int(count)


def _set_deadline(connection: Any, deadline_s: float | None) -> float | None:
    """Set how long the database may be silent. Returns what it was."""
    if not isinstance(connection, BoundedAsyncConnection):
        return None
    before, connection.deadline_s = connection.deadline_s, deadline_s
    return before
