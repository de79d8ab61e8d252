"""How often, and for how long, an application's operation is asked for again before its caller hears of a failure."""

from __future__ import annotations

import random
import time
from typing import Final, NamedTuple, NoReturn

import psycopg

from chancy_core.errors import DatabaseUnavailable
from chancy_core.store.bounded import BoundedAsyncConnection, BoundedConnection
from chancy_core.store.connect import where
from chancy_core.store.cures import with_cure
from chancy_core.store.flow import Flow, Query
from chancy_core.store.statements import statement
from chancy_core.store.weather import Fault, fault_of, text_of

# How long the server may be silent while an application waits for an answer. A connection that says nothing for so long
# is given up, and the work goes on with another.
DEADLINE_S: Final = 8.0
# No attempt begins later than so long after the first one. A standby that is promoted takes some ten seconds.
AGAIN_S: Final = 20.0
# How long the server may take to end a session; and never longer than a third of what it may be silent for.
ENDS_WITHIN_MS: Final = 2000
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0

# What the server cannot just now, and can soon: a conflict with others, no room, a lock, a device. (Not 57014: somebody
# limits how long a statement may take, and it would take as long again.)
_SOON: Final = ("40", "53", "55P03", "58")


class Session(NamedTuple):
    """A session of the server, which may go on after its connection was lost."""

    pid: int
    start: str


def session_of(connection: BoundedAsyncConnection | BoundedConnection) -> Session | None:
    """Which session a connection has; None: it is not known, as behind a pooler."""
    return Session(connection.backend_pid, connection.backend_start) if connection.backend_start else None


def may_try_again(error: BaseException) -> bool:
    """Whether the same may go through on another connection, or a little later."""
    fault = fault_of(error)
    if fault is Fault.NOT_NOW:
        return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_SOON)
    return fault is Fault.GONE


class Tries:
    """The attempts at one operation.

    Args:
        dsn: where the database is.
        within_s: no attempt but the second one begins later; None: AGAIN_S.
        lost: a session that may be busy with the same operation yet.
    """

    def __init__(self, dsn: str, within_s: float | None = None, lost: Session | None = None) -> None:
        self._dsn = dsn
        self._within_s = AGAIN_S if within_s is None else within_s
        self._until = time.monotonic() + self._within_s
        self._pause_s = 0.0
        self._now: Session | None = None
        self._lost = [] if lost is None else [lost]

    def begin(self, connection: BoundedAsyncConnection | BoundedConnection) -> Flow[None]:
        """What comes before the next attempt: the sessions of those before are ended, and are gone when this returns.

        One whose process does not stir cannot be ended now. It is as soon as it does.
        """
        within_ms = min(ENDS_WITHIN_MS, int((connection.deadline_s or DEADLINE_S) * 1000 / 3))
        while self._lost:
            pid, start = self._lost[-1]
            try:
                yield Query(statement("end_session", ""), {"pid": pid, "start": start, "within_ms": within_ms})
            except psycopg.Error as error:
                if fault_of(error) is Fault.GONE:
                    raise
            self._lost.pop()
        self._now = session_of(connection)

    def pause_s(self, error: Exception) -> float:
        """How long to wait before the next attempt, after this failure.

        Raises:
            DatabaseUnavailable: it has been tried for long enough.
            Exception: the failure itself, if another attempt cannot help.
        """
        if not may_try_again(error):
            raise with_cure(error)
        pause_s = self._pause_s * random.uniform(0.5, 1)  # noqa: S311
        # The first time at once, however late it is: most connections that are lost were lost long ago.
        if self._pause_s and time.monotonic() + pause_s >= self._until:
            self._give_up(error)
        if self._now is not None and fault_of(error) is Fault.GONE:
            self._lost.append(self._now)
        self._now = None
        self._pause_s = min(max(self._pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        return pause_s

    def _give_up(self, error: Exception) -> NoReturn:
        if isinstance(error, DatabaseUnavailable):
            if not self._lost:
                raise error
            raise DatabaseUnavailable(
                f"{error} Whether it was done before the connection was lost is not known."
            ) from error
        refused = isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
        unknown = fault_of(error) is Fault.GONE and not refused
        done = "Whether it was done is not known." if unknown else "It was not done."
        raise DatabaseUnavailable(
            f"PostgreSQL at {where(self._dsn)} did not do what was asked, however often, for {self._within_s:g} s: "
            f"{text_of(error).rstrip('.')}. {done}"
        ) from error
