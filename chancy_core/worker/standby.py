"""Standby: a thread that renews the lease by a connection of its own when the heartbeat is late.

A job that blocks the loop, or a connection that hangs, must not look like death. While the heart beats, this asks the
database nothing, and holds no connection.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chancy_core.log import log
from chancy_core.store import Store, run_sync
from chancy_core.store.bounded import BoundedConnection
from chancy_core.store.connect import connect_sync
from chancy_core.store.flow import Flow
from chancy_core.store.session import CONNECT_TIMEOUT_S, SERVER_LATER_S
from chancy_core.store.spare import SPARE
from chancy_core.store.weather import deadline_s, is_weather, text_of
from chancy_core.store.workers import Registration, register_worker
from chancy_core.worker.lease import Lease
from chancy_core.worker.telling import News

# All three are parts of the lease. With the default lease of 15 seconds, the heartbeat of a worker that runs jobs
# renews every 5 seconds. The thread looks every 0.9 seconds (LOOK) whether the renewal that was expected has come. When
# one is 1.2 seconds late (LATE), the thread renews instead: 7.1 seconds after the last renewal at the latest, with half
# of the lease left. While the heartbeat stays away, the thread renews every 5 seconds (AGAIN), as the heartbeat would.
LATE: Final = 0.08
LOOK: Final = 0.06
AGAIN: Final = 1 / 3
# How soon it tries again when a renewal failed; sooner with a short lease.
RETRY_S: Final = 1.0


class Standby:
    """Renews a worker's lease whenever nobody else does, until it is stopped.

    Args:
        registration: the worker's name, and what it is registered with again should its row be gone.
        store: the statements.
        dsn: asked anew for each connection, because the embedded server may have moved.
        pooler: whether a transaction pooler is between.
        lease: what is prolonged; it is told on the loop.
        forgotten: called on the loop when the database did not know the worker any more.
    """

    def __init__(
        self,
        registration: Registration,
        store: Store,
        dsn: Callable[[], str],
        lease: Lease,
        *,
        pooler: bool,
        forgotten: Callable[[], None],
    ) -> None:
        self._worker = registration.worker
        self._registration = registration
        self._store = store
        self._dsn = dsn
        self._lease = lease
        self._pooler = pooler
        self._forgotten = forgotten
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._news = News()
        self._deadline_s: Final = deadline_s(lease.lease_s)
        self._connection: BoundedConnection | None = None
        # When the next renewal is expected, and when the last one was sent, by the monotonic clock. Plain numbers: the
        # loop writes them, the thread reads them.
        self._expected_at = float("inf")
        self._renewed_at = time.monotonic()
        # A daemon, because it may hang in a connection to a server that is gone.
        self._thread = threading.Thread(target=self._watch, name="chancy-standby", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.expect(self._lease.lease_s * AGAIN)
        self._thread.start()

    def expect(self, seconds: float) -> None:
        """The next beat comes within so many seconds."""
        self._expected_at = time.monotonic() + seconds

    def renewed(self, sent_at: float) -> None:
        """A renewal that was sent then was accepted."""
        self._renewed_at = sent_at

    async def stop(self) -> None:
        """Stop the thread; waits for a renewal in flight, but not for one that hangs."""
        self.end()
        await asyncio.to_thread(self._thread.join, 2.0)

    def end(self) -> None:
        """Renew nothing any more. Does not wait."""
        self._stop.set()

    @property
    def renewed_s_ago(self) -> float:
        """When the last renewal was sent that was accepted, in seconds ago."""
        return time.monotonic() - self._renewed_at

    def _watch(self) -> None:
        look_s = self._lease.lease_s * LOOK
        late_s = self._lease.lease_s * LATE
        pause_s = look_s
        while not self._stop.wait(pause_s):
            pause_s = look_s
            if time.monotonic() < self._expected_at + late_s:
                if self._connection is not None:
                    self._disconnect()
                continue
            if time.monotonic() < self._renewed_at + self._lease.lease_s * AGAIN:
                # It was late a moment ago as well.
                continue
            try:
                self._renew()
            except Exception as error:  # noqa: BLE001 -- this thread must not end
                if is_weather(error):
                    if self._news.is_new(text_of(error)):
                        log.warning("heartbeat_failed", error=text_of(error))
                else:
                    log.error("heartbeat_failed", exc_info=error)
                self._tell(self._lease.disturbed)
            else:
                continue
            self._disconnect()
            pause_s = min(RETRY_S, look_s)
        self._disconnect()

    def _renew(self) -> None:
        if self._connection is None:
            with SPARE.descriptors():
                self._connection = connect_sync(
                    self._dsn(),
                    application_name="chancy heartbeat",
                    pooler=self._pooler,
                    connect_timeout_s=CONNECT_TIMEOUT_S,
                    deadline_s=self._deadline_s,
                )
            # What it waits for too long is given up, and must not be done later either: the lease would look alive.
            self._connection.execute(
                f"SET statement_timeout = {(self._deadline_s + SERVER_LATER_S) * 1000:.0f}".encode()
            )
        sent_at = time.monotonic()
        if not run_sync(self._connection, self._renewal()):
            # As for a heartbeat.
            self._tell(self._forgotten)
            sent_at = time.monotonic()
            run_sync(self._connection, register_worker(self._store, self._registration, self._lease.lease_s))
        self._renewed_at = sent_at
        self._tell(self._lease.renewed, sent_at)

    def _renewal(self) -> Flow[bool]:
        rows = yield self._store.query("renew_lease", worker=self._worker, lease_s=self._lease.lease_s)
        return bool(rows)

    def _tell(self, call: Callable[..., None], *arguments: float) -> None:
        # The loop may be closed by now.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()
