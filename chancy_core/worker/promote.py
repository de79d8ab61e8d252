"""Promote: jobs whose time has come become runnable; those whose time is over are cancelled."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from chancy_core.log import log
from chancy_core.store import Store
from chancy_core.store.flow import Flow
from chancy_core.store.notices import unheard
from chancy_core.store.session import WorkerConnection
from chancy_core.values.notices import Notice
from chancy_core.worker.duty import Alarm
from chancy_core.worker.moving import Mover, Statements
from chancy_core.worker.reporting import parts

# All workers sleep until the same moment; a little spread lets the first of them do it for all.
SPREAD_S: Final = 0.02
# A look takes at most one part in this of the time, should dead rows ever make it dear.
SPACING: Final = 20
# But what is due waits no longer than that for the next look.
SPACING_MAX_S: Final = 5.0


class Look(NamedTuple):
    """What there is to do.

    Attributes:
        due_in_s: seconds until the next job is due; None: there is none.
        over_in_s: seconds until the next one is to be cancelled.
    """

    due_in_s: float | None
    over_in_s: float | None


class Promoter:
    """Every worker promotes; rows that another one holds are skipped.

    Each batch is a use of the connection of its own, so that claims and heartbeats go on however many jobs are due.

    Args:
        store: the statements.
        connection: a connection to share.
        hear: told, as by a notification, which queues gained jobs.
    """

    def __init__(self, store: Store, connection: WorkerConnection, hear: Callable[[Notice], None]) -> None:
        self._store = store
        self._hear = hear
        self._connection = connection
        self._alarm = Alarm()
        self._ring_at = float("inf")
        # Queues that have gained jobs in the transaction that is open now.
        self._gained: set[str] = set()
        # Whether a plugin has yet to be told of a job that has ended in it.
        self._unheard = False
        self._due = Mover(connection, Statements("promote", self._promote_batch, self._promote_these, self._find_due))
        self._over = Mover(connection, Statements("sweep", self._sweep_batch, self._sweep_these, self._find_over))

    def ring(self) -> None:
        """Look now: something was pushed that is due soon."""
        self._alarm.ring()

    def due_in(self, seconds: float) -> None:
        """Something will be due then, at the latest."""
        at = time.monotonic() + seconds
        if at < self._ring_at:
            self._ring_at = at
            self._alarm.ring()

    async def run(self) -> None:
        """Promote, for ever: the sleep until the next one is exact.

        Pushes notify of what is due within a minute; the heartbeat finds the rest.
        """
        while True:
            start = time.monotonic()
            self._ring_at = float("inf")
            look = await self._connection.run(self._promote())
            took_s = time.monotonic() - start
            next_in_s = await self._move(look)
            if next_in_s == 0:
                continue
            if next_in_s is not None:
                self._ring_at = min(self._ring_at, time.monotonic() + next_in_s)
            least_s = min(took_s * SPACING, SPACING_MAX_S) if took_s > SPREAD_S else 0.0
            spread_s = random.uniform(0, SPREAD_S)  # noqa: S311
            await self._alarm.sleep(max(self._ring_at - time.monotonic(), least_s, 0) + spread_s)

    def _promote(self) -> Flow[Look]:
        ((due_in_s, expires_in_s, cancelled),) = yield self._store.query("next_due")
        return Look(due_in_s, 0.0 if cancelled else expires_in_s)

    async def _move(self, look: Look) -> float | None:
        """Move what is to be moved, a batch of each kind. Returns in how many seconds to look again; None: no idea."""
        next_s = []
        for in_s, mover in ((look.due_in_s, self._due), (look.over_in_s, self._over)):
            if in_s is None:
                continue
            if in_s > 0:
                next_s.append(in_s)
            elif await mover.move():
                next_s.append(0.0)
            else:
                # Another worker is at it, or the database does not let it go.
                next_s.append(mover.again_in_s)
            self._tell()
        return min(next_s, default=None)

    def _tell(self) -> None:
        gained, self._gained = self._gained, set()
        ended, self._unheard = self._unheard, False
        for queue in sorted(gained):
            self._hear(Notice.back(queue))
        if ended:
            self._hear(Notice.ended())

    # -- what is due -----------------------------------------------------------------------

    def _promote_batch(self, limit: int) -> Flow[int]:
        rows = yield self._store.query("promote_jobs", limit=limit)
        return (yield from self._promoted({queue for (queue,) in rows}, len(rows)))

    def _promote_these(self, ids: Sequence[uuid.UUID]) -> Flow[list[uuid.UUID]]:
        rows = yield self._store.query("promote_these", ids=list(ids))
        failed = [row for row in rows if not row[1]]
        for part in parts([str(row[2]) for row in failed]):
            hint = "Somebody else wrote them: attempts = max_attempts."
            log.warning("jobs_used_up", count=len(part), jobs=part, hint=hint)
        yield from self._promoted({row[0] for row in rows if row[1]}, len(rows) - len(failed))
        yield from self._ended(failed)
        return [row[2] for row in rows]

    def _ended(self, rows: Sequence[Sequence[Any]]) -> Flow[None]:
        """These have ended, and so perhaps somebody is to be told."""
        if tell := unheard(rows):
            self._unheard = True
            yield from self._store.notify(tell)

    def _promoted(self, queues: set[str], count: int) -> Flow[int]:
        yield from self._store.notify([Notice.back(queue) for queue in sorted(queues)])
        self._gained |= queues
        if count:
            log.debug("jobs_promoted", count=count, queues=sorted(queues))
        return count

    def _find_due(self, limit: int, tried: Sequence[uuid.UUID]) -> Flow[list[tuple[uuid.UUID, str]]]:
        rows = yield self._store.query("find_due", limit=limit, tried=list(tried))
        return [(id_, queue) for id_, queue in rows]

    # -- what is over ----------------------------------------------------------------------

    def _sweep_batch(self, limit: int) -> Flow[int]:
        rows = yield self._store.query("sweep_jobs", limit=limit)
        return (yield from self._swept(rows))

    def _sweep_these(self, ids: Sequence[uuid.UUID]) -> Flow[list[uuid.UUID]]:
        rows = yield self._store.query("sweep_these", ids=list(ids))
        yield from self._swept(rows)
        return [row[0] for row in rows]

    def _swept(self, rows: Sequence[Sequence[Any]]) -> Flow[int]:
        yield from self._ended(rows)
        for part in parts(rows):
            expired = sum(1 for row in part if row[2])
            jobs = [str(row[0]) for row in part]
            log.info("jobs_swept", expired=expired, cancelled=len(part) - expired, jobs=jobs)
        return len(rows)

    def _find_over(self, limit: int, tried: Sequence[uuid.UUID]) -> Flow[list[tuple[uuid.UUID, str]]]:
        rows = yield self._store.query("find_over", limit=limit, tried=list(tried))
        return [(id_, queue) for id_, queue in rows]
