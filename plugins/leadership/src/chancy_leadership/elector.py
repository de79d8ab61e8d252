"""Stand for election, renew, resign: one task on one connection, while a process has workers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

import psycopg

from chancy import Chancy, ChancyError
from chancy_core.errors import NotOpen
from chancy_core.log import log
from chancy_leadership.candidate import Candidate
from chancy_leadership.store import channel, listen, only, rows

# How long a worker's start waits for the first answer, so that a worker that is alone leads from its first tick on.
FIRST_ANSWER_S: Final = 3.0
# A leader looks so often whether its workers were told to stop; they may take long to end, and others can lead by then.
LOOK_S: Final = 0.2
# After a failure.
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
# A lease that has ended is fought for within this; the losers need not all ask in the same millisecond.
SPREAD_S: Final = 0.05
RESIGN_WITHIN_S: Final = 3.0


class Elector:
    """Keeps one candidate standing.

    Args:
        chancy: the application.
        candidate: who stands.
        lease_s: how long an answer may take, in seconds; later it is worth nothing.
        interval_s: seconds between renewals; and for those who do not lead, at most, between looks.
        stands: whether it stands for election now; once it does not, it resigns.
    """

    def __init__(
        self,
        chancy: Chancy,
        candidate: Candidate,
        *,
        lease_s: float,
        interval_s: float,
        stands: Callable[[], bool],
    ) -> None:
        self.candidate: Final = candidate
        self._chancy: Final = chancy
        self._schema: Final = chancy.settings.schema
        self._notifications: Final = chancy.settings.notifications
        self._lease_s: Final = lease_s
        self._interval_s: Final = interval_s
        self._stands: Final = stands
        self._asked = asyncio.Event()
        self._answers = 0
        self._known_term: int | None = None
        self._failure: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Stand, from now on. Returns after the first answer, or without one if there is none to be had soon."""
        self._task = asyncio.create_task(self._run(), name="chancy leadership")
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ANSWER_S):
                await self._asked.wait()

    async def stop(self) -> None:
        """Stand no more, and resign."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self.candidate.may_hold:
            self.candidate.drop()
            try:
                async with asyncio.timeout(RESIGN_WITHIN_S), self._connection() as connection:
                    await self._resign(connection)
            except (psycopg.Error, ChancyError, OSError) as error:
                log.warning("leader_not_resigned", holder=self.candidate.holder, error=str(error))
        self._noted()

    def report(self) -> None:
        """Raise what went wrong since the last report, and was not just the database out of reach."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # -- the task --------------------------------------------------------------------------

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            answers = self._answers
            try:
                async with self._connection() as connection:
                    await self._campaign(connection)
            except Exception as error:  # noqa: BLE001 -- a candidate goes on, whatever happens
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S) if self._answers == answers else FIRST_PAUSE_S
                self._failed(error, pause_s)
            self._asked.set()
            self._noted()
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311

    async def _campaign(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self._notifications:
            await listen(connection, self._schema)
        while True:
            async with asyncio.timeout(self._lease_s):
                pause_s = await self._round(connection)
            self._answers += 1
            self._asked.set()
            self._noted()
            await self._wait(connection, pause_s)

    async def _round(self, connection: psycopg.AsyncConnection[Any]) -> float:
        """Ask once. Returns for how many seconds to wait."""
        candidate = self.candidate
        # Jitter, so that processes that started together do not ask together for ever.
        interval_s = self._interval_s * random.uniform(0.8, 1.0)  # noqa: S311
        if not self._stands():
            if candidate.may_hold:
                candidate.drop()
                await self._resign(connection)
            return interval_s
        request = candidate.ask()
        answer = await rows(connection, self._schema, request.statement, request.params)
        if request.statement == "elect":
            only(answer, self._schema)
        left_s = candidate.answered(request, answer)
        if candidate.may_hold:
            return interval_s
        return min(left_s + random.uniform(0, SPREAD_S), interval_s)  # noqa: S311

    async def _wait(self, connection: psycopg.AsyncConnection[Any], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left_s := until - loop.time()) > 0:
            if self.candidate.may_hold:
                if not self._stands():
                    return
                left_s = min(left_s, LOOK_S)
            if await self._woken(connection, left_s):
                return

    async def _woken(self, connection: psycopg.AsyncConnection[Any], within_s: float) -> bool:
        if not self._notifications:
            await asyncio.sleep(within_s)
            return False
        return bool([one async for one in connection.notifies(timeout=within_s, stop_after=1)])

    def _connection(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """Outside the pool, so that nobody who uses up the pool can unseat the leader."""
        return self._chancy.connect(application_name="chancy leadership")

    async def _resign(self, connection: psycopg.AsyncConnection[Any]) -> None:
        tell = channel(self._schema) if self._notifications else None
        await rows(connection, self._schema, "resign", {"holder": self.candidate.holder, "channel": tell})
        self.candidate.resigned()

    # -- what it says ----------------------------------------------------------------------

    def _noted(self) -> None:
        """Log a change."""
        before, now = self._known_term, self.candidate.term
        if now == before:
            return
        self._known_term = now
        if before is not None:
            log.info("leadership_ended", holder=self.candidate.holder, term=before)
        if now is not None:
            log.info("leader_elected", holder=self.candidate.holder, term=now)

    def _failed(self, error: Exception, pause_s: float) -> None:
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | NotOpen | OSError):
            log.warning("leadership_interrupted", error=str(error), retry_in_s=round(pause_s, 2))
        else:
            self._failure = error
