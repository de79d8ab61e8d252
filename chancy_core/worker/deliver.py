"""Deliver: tell plugins of the ends of jobs that they could not be told of when these were recorded.

A job may end where a plugin is not loaded, where nobody calls plugins (an expiry, a rescue, code without asyncio), or
while the hook fails. Then a row waits in the table `ended`, and a worker that has the plugin takes it, in the
transaction in which the plugin hears of it.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

import psycopg

from chancy_core.log import log
from chancy_core.plugins import HookAbandoned, PluginHost
from chancy_core.store import Store, run
from chancy_core.store.ends import (
    Unheard,
    drop_ended,
    find_silent,
    forget_listeners,
    listen,
    put_off_ended,
    take_ended,
)
from chancy_core.store.session import WorkerConnection
from chancy_core.store.telling import telling
from chancy_core.store.weather import Fault, fault_of
from chancy_core.values.notices import Notice
from chancy_core.worker.duty import Alarm, jittered

BATCH_MAX: Final = 500
# While there is something to tell, somebody looks again after so long; then a notification or a heartbeat wakes us.
AGAIN_S: Final = 1.0
# Notifications are dear: what this worker leaves for others is told at most so often.
NOTIFY_EVERY_S: Final = 1.0
# The pause after a plugin failed, which doubles when it fails for one end; that end waits for as long at most.
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 600.0
# How often a worker says that it has its plugins, and looks for those that nobody has any more.
KEEP_EVERY_S: Final = 600.0
# A plugin that no worker has is told of after an hour, and forgotten after a week; no end waits for longer.
SILENT_S: Final = 3600.0
FORGOTTEN_S: Final = 7 * 24 * 3600.0
DROP_BATCH: Final = 1000


class _NotHeardError(Exception):
    """A plugin failed, and what it was told of is to be as if it had never been taken."""


@dataclass
class _Patience:
    """How much a plugin is told at a time, and until when it is left alone, by the monotonic clock."""

    limit: int = BATCH_MAX
    pause_s: float = FIRST_PAUSE_S
    until: float = 0.0

    def failed(self, count: int) -> None:
        """So many at a time are too many; or it was one, and then it is the plugin that needs time."""
        self.limit = max(count // 2, 1)
        self.until = time.monotonic() + self.pause_s
        if count <= 1:
            self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S)

    def went_well(self) -> None:
        self.limit = min(self.limit * 2, BATCH_MAX)
        self.pause_s = FIRST_PAUSE_S


class Deliverer:
    """Tells what has not been heard. `run` is the duty.

    Args:
        store: the statements.
        connection: a connection for this duty alone, since plugins use it; opened when there is something to tell.
        shared: a connection to share, for everything else.
        plugins: the plugins of this worker.
    """

    def __init__(
        self, store: Store, connection: WorkerConnection, shared: WorkerConnection, plugins: PluginHost
    ) -> None:
        self._store = store
        self._connection = connection
        self._shared = shared
        self._plugins = plugins
        self._patience: defaultdict[str, _Patience] = defaultdict(_Patience)
        self._alarm = Alarm()
        # Whether there may be something to tell here; and whether there is something to tell elsewhere.
        self._look = False
        self._left = False
        self._notify_at = 0.0
        self._keep_at = time.monotonic() + KEEP_EVERY_S * random.random()  # noqa: S311

    def ring(self) -> None:
        """Look now: something waits to be told."""
        if self._plugins.has("on_end"):
            self._look = True
            self._alarm.ring()

    def left(self) -> None:
        """This worker has left something to be told, here or elsewhere."""
        self._left = True
        self._alarm.ring()
        self.ring()

    async def listen(self) -> None:
        """Say that the plugins of this worker want to hear of every end; before its first job ends."""
        if listening := self._plugins.listening:
            await self._shared.run(listen(self._store, listening))

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            now = time.monotonic()
            if self._left and now >= self._notify_at:
                self._left, self._notify_at = False, now + NOTIFY_EVERY_S
                await self._shared.run(self._store.notify([Notice.ended()]))
            if self._look:
                # Whoever rings meanwhile may mean what has not been seen.
                self._look = False
                again = await self._tell_all()
                self._look = self._look or again
            if now >= self._keep_at:
                self._keep_at = now + jittered(KEEP_EVERY_S)
                await self._keep()
            until = self._keep_at
            if self._left:
                until = min(until, self._notify_at)
            if self._look:
                until = min(until, now + AGAIN_S)
            await self._alarm.sleep(max(until - time.monotonic(), 0))

    async def _tell_all(self) -> bool:
        """Tell each plugin what it has not heard. Returns whether somebody is to look again soon."""
        again = False
        for plugin in self._plugins.listening:
            patience = self._patience[plugin]
            while time.monotonic() >= patience.until:
                limit = patience.limit
                told = await self._tell(plugin, patience)
                again = again or told > 0
                if told < limit:
                    break
            # It failed just now, or a moment ago.
            again = again or time.monotonic() < patience.until
        return again

    async def _tell(self, plugin: str, patience: _Patience) -> int:
        """Tell a plugin of a batch. Returns how many ends it has heard of."""
        taken: list[Unheard] = []
        try:
            async with self._connection.transaction() as connection:
                taken = await run(connection, take_ended(self._store, plugin, patience.limit))
                if not taken:
                    return 0
                async with telling(connection) as now:
                    if await self._plugins.on_end([one.ended for one in taken], now, [plugin]):
                        raise _NotHeardError  # noqa: TRY301 -- it ends the transaction
        except HookAbandoned:
            # Switched off here, and left to others.
            return 0
        except (_NotHeardError, psycopg.Error) as error:
            if isinstance(error, psycopg.Error) and taken and fault_of(error) is not Fault.GONE:
                self._plugins.blame("on_end", error, plugin)
            patience.failed(len(taken))
            if isinstance(error, psycopg.Error) and fault_of(error) is Fault.GONE:
                raise
            if len(taken) == 1:
                await self._connection.run(put_off_ended(self._store, taken, LONGEST_PAUSE_S))
            return 0
        patience.went_well()
        log.debug("ends_told", plugin=plugin, count=len(taken))
        return len(taken)

    # -- nothing grows for ever ------------------------------------------------------------

    async def _keep(self) -> None:
        """Say that the plugins of this worker are there; find those that are nowhere, and at last forget them."""
        await self.listen()
        for plugin in await self._shared.run(forget_listeners(self._store, FORGOTTEN_S)):
            log.error("listener_forgotten", plugin=plugin, hint="No worker has had it for seven days.")
        for plugin, silent_s in await self._shared.run(find_silent(self._store, SILENT_S)):
            log.warning(
                "listener_silent",
                plugin=plugin,
                silent_s=round(silent_s),
                hint="Ends of jobs are kept for this plugin, and no worker has it. Start one that does; if it was "
                "uninstalled for good, this ends by itself after seven days.",
            )
        dropped: Counter[str] = Counter()
        while found := await self._shared.run(drop_ended(self._store, DROP_BATCH, FORGOTTEN_S)):
            dropped.update(found)
            if len(found) < DROP_BATCH:
                break
        for plugin, count in dropped.items():
            log.error("ends_dropped", plugin=plugin, count=count, hint="It could not be told of these jobs' ends.")
