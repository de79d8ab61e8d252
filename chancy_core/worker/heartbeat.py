"""Heartbeat: renew the lease from a thread of its own, so that a job that blocks the loop does not look like death."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import psycopg

from chancy_core.errors import ChancyError
from chancy_core.log import log
from chancy_core.store import Store, run_sync
from chancy_core.store.codec import status_text
from chancy_core.store.connect import connect_sync
from chancy_core.store.flow import Connection, Flow
from chancy_core.worker.lease import Lease
from chancy_core.workerinfo import WorkerStatus

# Two renewals may fail before the lease is in danger.
RENEWALS_PER_LEASE: Final = 3


class Heartbeat:
    """Renews a worker's lease until it is stopped.

    Args:
        worker: the worker's name.
        tags: its tags, to register it again should its row be gone.
        store: the statements.
        dsn: asked anew for each connection, because the embedded server may have moved.
        pooler: whether a transaction pooler is between.
        lease: what is prolonged; it is told on the loop.
    """

    def __init__(
        self,
        worker: str,
        tags: Sequence[str],
        store: Store,
        dsn: Callable[[], str],
        lease: Lease,
        *,
        pooler: bool,
    ) -> None:
        self._worker = worker
        self._tags = list(tags)
        self._store = store
        self._dsn = dsn
        self._lease = lease
        self._pooler = pooler
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._connection: Connection | None = None
        # What the worker says of itself, and since when, by the monotonic clock; and which of it has been written. Each
        # has one writer: the loop, and the thread.
        self._said: tuple[str, float] | None = None
        self._written: tuple[str, float] | None = None
        # A daemon, because it may hang in a connection to a server that is gone.
        self._thread = threading.Thread(target=self._beat, name="chancy-heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def say(self, status: WorkerStatus) -> None:
        """What the worker says of itself from now on; it is written with the next renewal."""
        self._said = status_text(status), time.monotonic()

    async def stop(self) -> None:
        """Stop the thread; waits for a renewal in flight, but not for one that hangs."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 2.0)

    def _beat(self) -> None:
        pause_s = self._lease.lease_s / RENEWALS_PER_LEASE
        next_pause_s = 0.0
        while not self._stop.wait(next_pause_s):
            try:
                self._renew()
                next_pause_s = pause_s
            except (psycopg.Error, ChancyError, OSError) as error:
                log.warning("heartbeat_failed", error=str(error))
                self._disconnect()
                next_pause_s = min(1.0, pause_s / 2)
            except Exception as error:  # noqa: BLE001 -- this thread must not end
                log.error("heartbeat_failed", exc_info=error)
                self._disconnect()
                next_pause_s = min(1.0, pause_s / 2)
        self._disconnect()

    def _renew(self) -> None:
        if self._connection is None:
            self._connection = connect_sync(self._dsn(), application_name="chancy heartbeat", pooler=self._pooler)
        sent_at = time.monotonic()
        known = run_sync(self._connection, self._renewal())
        if not known:
            # Its jobs were taken; it may go on as a worker that has none.
            self._tell(self._lease.taken)
            sent_at = time.monotonic()
            run_sync(
                self._connection,
                register(self._store, self._worker, self._tags, self._lease.lease_s),
            )
            self._written = None
        self._tell(self._lease.renewed, sent_at)

    def _renewal(self) -> Flow[bool]:
        said = self._said
        status, since = (None, 0.0) if said is None or said is self._written else said
        rows = yield self._store.query(
            "renew_lease",
            worker=self._worker,
            lease_s=self._lease.lease_s,
            status=status,
            status_age_s=time.monotonic() - since,
        )
        self._written = said
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


def register(store: Store, worker: str, tags: Sequence[str], lease_s: float) -> Flow[None]:
    """Make a worker known, with a lease."""
    yield store.query("register_worker", worker=worker, tags=list(tags), lease_s=lease_s)
