"""Heartbeat: renew the lease, and look in the same statement whether anything waits that no notification told of.

That is the one thing an idle worker asks of the database. Whoever has something to do is told; everything between two
beats comes by notification.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from chancy_core.store import Store
from chancy_core.store.flow import Flow
from chancy_core.store.session import WorkerConnection
from chancy_core.store.storedworkers import status_text
from chancy_core.store.workers import Registration, register_worker
from chancy_core.values.workerinfo import WorkerStatus
from chancy_core.worker.duty import Alarm
from chancy_core.worker.lease import Lease
from chancy_core.worker.standby import Standby

# While jobs run, two renewals may fail before the lease is in danger.
RENEWALS_PER_LEASE: Final = 3
# A worker that runs no job loses nothing if its lease runs out. So it renews late and seldom: when so many seconds of
# the lease are left. They suffice to notice that a renewal fails, and to renew by the standby's connection.
SPARE_S: Final = 4.0
# How far apart two looks are at most, in case a notification was lost …
LOOK_EVERY_S: Final = 12.0
# … and where there are none; while jobs run, somebody may wait for one to be cancelled.
LOOK_UNNOTIFIED_S: Final = 5.0
LOOK_UNNOTIFIED_BUSY_S: Final = 2.0
FIRST_S: Final = 1.0


class Signs(NamedTuple):
    """What a beat found beside the lease. See `beat.sql`."""

    living: int
    expired: bool
    lost_in_s: float | None
    declarations: int
    ready: list[str]
    due_in_s: float | None
    stopping: bool
    unheard: bool


class Heartbeat:
    """Beats until it is stopped. `run` is the duty.

    Args:
        registration: the worker's name, and what it is registered with again should its row be gone.
        store: the statements.
        connection: a connection to share.
        lease: what is prolonged.
        standby: renews the lease when a beat is late.
        queues: the queues that are claimed from.
        busy: whether anything runs here.
        listening: the plugins here that hear of every end of a job.
        found: called with what each beat found.
        forgotten: called when the database did not know the worker any more.
    """

    def __init__(
        self,
        registration: Registration,
        store: Store,
        connection: WorkerConnection,
        lease: Lease,
        standby: Standby,
        *,
        queues: Callable[[], list[str]],
        busy: Callable[[], bool],
        listening: Callable[[], list[str]],
        found: Callable[[Signs], None],
        forgotten: Callable[[], None],
    ) -> None:
        self._worker = registration.worker
        self._registration = registration
        self._store = store
        self._connection = connection
        self._lease = lease
        self._standby = standby
        self._queues = queues
        self._busy = busy
        self._listening = listening
        self._found = found
        self._forgotten = forgotten
        self._alarm = Alarm()
        self._clock = DatabaseClock()
        self._beat_at = time.monotonic()
        # What the worker says of itself, and since when, by the monotonic clock; and which of it has been written.
        self._said: tuple[str, float] | None = None
        self._written: tuple[str, float] | None = None

    def say(self, status: WorkerStatus) -> None:
        """What the worker says of itself from now on; it is written with the next beat."""
        self._said = status_text(status), time.monotonic()

    def started(self) -> None:
        """Jobs have been started: from now on there is something to lose."""
        if time.monotonic() - self._beat_at > self._lease.lease_s / RENEWALS_PER_LEASE:
            self._standby.expect(0)
            self._alarm.ring()

    async def run(self) -> None:
        """Beat, for ever."""
        pause_s = min(FIRST_S, self._lease.lease_s / RENEWALS_PER_LEASE)
        while True:
            # Never later, and spread, so that workers that started together do not beat together for ever.
            await self._alarm.sleep(pause_s * random.uniform(0.9, 1))  # noqa: S311
            await self.beat()
            pause_s = self._pause_s()
            self._standby.expect(pause_s)

    async def beat(self) -> None:
        """Beat now. Raises what the database does."""
        try:
            await self._beat()
        except BaseException:
            self._lease.disturbed()
            raise

    def _pause_s(self) -> float:
        lease_s, busy = self._lease.lease_s, self._busy()
        renew_s = lease_s / RENEWALS_PER_LEASE
        if not busy:
            renew_s = max(renew_s, lease_s - SPARE_S)
        if self._store.notifications:
            return min(renew_s, LOOK_EVERY_S)
        return min(renew_s, LOOK_UNNOTIFIED_BUSY_S if busy else LOOK_UNNOTIFIED_S)

    async def _beat(self) -> None:
        self._beat_at = sent_at = time.monotonic()
        known, now_s, signs = await self._connection.run(self._look())
        jumped = self._clock.jumped(now_s, sent_at, time.monotonic())
        if not known:
            # Others have taken its jobs, or somebody has deleted its row: it goes on with those that are still its own.
            self._forgotten()
            self._beat_at = sent_at = time.monotonic()
            await self._connection.run(register_worker(self._store, self._registration, self._lease.lease_s))
            self._written = None
        self._lease.renewed(sent_at)
        if jumped:
            # Everybody's lease ends at another moment than they think, until they have renewed it.
            self._lease.disturbed()
            self._lease.renewed(sent_at)
        self._standby.renewed(sent_at)
        self._found(signs)

    def _look(self) -> Flow[tuple[bool, float, Signs]]:
        said = self._said
        status, since = (None, 0.0) if said is None or said is self._written else said
        ((known, now_s, *signs),) = yield self._store.query(
            "beat",
            worker=self._worker,
            lease_s=self._lease.lease_s,
            status=status,
            status_age_s=time.monotonic() - since,
            queues=self._queues(),
            plugins=self._listening(),
            within_s=self._pause_s(),
        )
        self._written = said
        return known, now_s, Signs(*signs)


class DatabaseClock:
    """Notices when the database's clock, or this machine's, jumps: one was set, or the machine was asleep."""

    # By how much two clocks may drift apart between two looks, in seconds.
    DRIFT_S: Final = 1.0

    def __init__(self) -> None:
        # How much the database's clock is ahead of the monotonic one, at least and at most.
        self._ahead: tuple[float, float] | None = None

    def jumped(self, now_s: float, sent_at: float, answered_at: float) -> bool:
        """Whether it has, since the last look. It showed `now_s` somewhere between these two moments."""
        before, self._ahead = self._ahead, (now_s - answered_at, now_s - sent_at)
        if before is None:
            return False
        return self._ahead[0] > before[1] + self.DRIFT_S or self._ahead[1] < before[0] - self.DRIFT_S
