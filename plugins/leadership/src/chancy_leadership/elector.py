"""Stand for election, renew, resign: one task on one connection, while a process has workers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import psycopg

from chancy import Chancy, ChancyError
from chancy.errors import NotOpen
from chancy.plugin import answering_within, is_outage, log, text_of
from chancy_leadership.candidate import Candidate
from chancy_leadership.errors import TermsLost
from chancy_leadership.store import SQL, channel, listen, only

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
# Two connections may be lost before the lease is in danger; and a lock is given up a little before the connection.
ANSWERS_PER_LEASE: Final = 3
LOCK_SHARE: Final = 0.8


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
        self._answer_s: Final = lease_s / ANSWERS_PER_LEASE
        self._stands: Final = stands
        self._asked = asyncio.Event()
        self._answers = 0
        self._current: psycopg.AsyncConnection[Any] | None = None
        self._told_after = -1
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
                log.warning("leader_not_resigned", holder=self.candidate.holder, error=text_of(error))
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
        answer = await SQL.rows(connection, self._schema, request.statement, **request.params)
        if request.statement == "elect":
            only(answer, self._schema)
        elif request.statement == "shorten":
            self._tell_shortened(answer)
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
        # Nothing to hear is no sign of a lost connection.
        with answering_within(connection, None):
            return bool([one async for one in connection.notifies(timeout=within_s, stop_after=1)])

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Outside the pool, so that nobody who uses up the pool can unseat the leader."""
        async with self._chancy.connect(application_name="chancy leadership") as connection:
            if not self._chancy.settings.pooler:
                # A statement that waits for somebody's lock ends in the server too: those that were given up would
                # pile up there. (Behind a pooler the setting would be that of others as well.)
                lock_ms = f"{max(self._answer_s * 1000 * LOCK_SHARE, 1):.0f}"
                await SQL.rows(connection, self._schema, "set_lock_timeout", lock_ms=lock_ms)
            self._current = connection
            # A third of the lease, so that there is time for another connection.
            with answering_within(connection, self._answer_s):
                yield connection

    async def _resign(self, connection: psycopg.AsyncConnection[Any]) -> None:
        tell = channel(self._schema) if self._notifications else None
        try:
            await SQL.rows(connection, self._schema, "resign", holder=self.candidate.holder, channel=tell)
        except psycopg.errors.ProgramLimitExceeded:
            # The queue of notifications is full. Others look by themselves.
            await SQL.rows(connection, self._schema, "resign", holder=self.candidate.holder, channel=None)
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

    @staticmethod
    def _tell_shortened(answer: Sequence[tuple[Any, ...]]) -> None:
        for holder, term in answer:
            log.warning(
                "lease_shortened",
                holder=holder,
                term=term,
                hint="It lay further ahead than it is long: the database's clock was set back, or somebody has changed "
                "the row. It counts from now.",
            )

    def _failed(self, error: Exception, pause_s: float) -> None:
        if is_outage(error) or isinstance(error, NotOpen | OSError):
            # Once for each time that the database was away, and not at each try.
            if self._told_after != self._answers:
                log.warning("leadership_interrupted", error=text_of(error), retry_in_s=round(pause_s, 2))
            self._told_after = self._answers
        elif isinstance(error, psycopg.errors.NumericValueOutOfRange):
            self._failure = TermsLost(
                f'The term in "{self._schema}".leadership is as large as a number can be, so nobody can be elected. '
                f'Set it to one above the last that a leader had: UPDATE "{self._schema}".leadership SET term = …'
            )
        else:
            self._failure = error
