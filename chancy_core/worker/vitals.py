"""Vitals: a worker that can do nothing any more although its database answers others gives up, and says so.

Its lease is renewed by a thread with a connection of its own whatever hangs, so to the others it looks alive, and
nobody would ever take its jobs. So if nothing has come from the connections by which it claims and records for a whole
lease, while the lease could be renewed, it gives up these connections, and after another lease itself: whoever
supervises it starts it again. A database that answers nobody is weather, and waited out. The same holds for a worker of
which every claim fails for another reason: something in this process is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from chancy_core.log import log
from chancy_core.store.session import WorkerConnection
from chancy_core.worker.finish import Finisher
from chancy_core.worker.lease import Lease

CHECKS_PER_LEASE: Final = 5
# A check that comes so much later than it should shows that the loop was blocked, or the process stopped: what seems to
# have been silent for long may have answered meanwhile.
LATE: Final = 2.0
# Checks in a row, at which it gives up its connections, and itself.
GIVES_UP_CONNECTIONS_AT: Final = 2
GIVES_UP_AT: Final = GIVES_UP_CONNECTIONS_AT + CHECKS_PER_LEASE
# Claims that fail so long for another reason than weather, such as code that was changed under the process.
FAILING_LEASES: Final = 2
# What is silent for so long keeps a worker from its work, in seconds.
UNWELL_S: Final = 4.0


class Vitals:
    """Watches whether the worker still works.

    Args:
        connections: those by which it claims and records.
        finisher: what waits to be written.
        lease: the worker's own.
        failing_s: for how long all claims have failed for another reason than weather, in seconds.
        give_up: called when there is no other way, with the reason.
    """

    def __init__(
        self,
        connections: Sequence[WorkerConnection],
        finisher: Finisher,
        lease: Lease,
        failing_s: Callable[[], float],
        give_up: Callable[[str], None],
    ) -> None:
        self._connections = connections
        self._finisher = finisher
        self._lease = lease
        self._failing_s = failing_s
        self._give_up = give_up

    @property
    def hindered(self) -> str | None:
        """What keeps the worker from its work, in a sentence; None: nothing."""
        if not self._lease.is_held:
            return "It could not renew its lease: the database is out of reach, or refuses."
        silent_s = self._silent_s()
        if silent_s > UNWELL_S:
            return f"The database has not answered for {silent_s:.0f} s."
        failing_s = self._failing_s()
        if failing_s > UNWELL_S:
            return f"Every claim has failed for {failing_s:.0f} s: see duty_failed in the log."
        if self._finisher.waits_s > UNWELL_S:
            return (
                f"{self._finisher.waiting} outcomes wait to be written, and none could be for "
                f"{self._finisher.waits_s:.0f} s."
            )
        return None

    async def run(self) -> None:
        """Check, for ever."""
        period_s = self._lease.lease_s / CHECKS_PER_LEASE
        loop = asyncio.get_running_loop()
        strikes = 0
        while True:
            due_at = loop.time() + period_s
            await asyncio.sleep(period_s)
            if self._failing_s() > self._lease.lease_s * FAILING_LEASES:
                self._give_up(
                    "Every claim has failed for two leases, and not for want of the database: see duty_failed."
                )
                return
            silent_s = self._silent_s()
            in_time = loop.time() - due_at < period_s * (LATE - 1)
            if not in_time or silent_s < self._lease.lease_s or not self._lease.is_held:
                strikes = 0
                continue
            strikes += 1
            if strikes == GIVES_UP_CONNECTIONS_AT:
                log.error("connections_given_up", silent_s=round(silent_s, 1))
                for connection in self._connections:
                    connection.cut()
            elif strikes == GIVES_UP_AT:
                self._give_up(
                    f"Nothing came from its connections to the database for {silent_s:.0f} s, although the database "
                    "answers others: the worker could neither claim nor record."
                )

    def _silent_s(self) -> float:
        return max(connection.unanswered_s for connection in self._connections)
