"""One step of a flow, done once: when the answer to its COMMIT is lost, the database is asked what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn, Protocol, TypeAlias

import psycopg
from psycopg.rows import TupleRow

from chancy_core.store.flow import AsyncConnection, Flow, Inside, Query, Step
from chancy_core.store.weather import notify_queue_full

# A number that names the transaction; none if it has changed nothing.
_NUMBER: Final = b"SELECT pg_current_xact_id_if_assigned()::text"
_FATE: Final = b"SELECT pg_xact_status(%(number)s::text::xid8)"
_COMMITTED: Final = "committed"
# A transaction that writes something, and that is nothing: its commit returns once all that was committed before it is
# as safe as the server's settings demand. A standby cannot, and need not.
_CONFIRM: Final = b"SELECT pg_logical_emit_message(true, 'chancy', ''::text) WHERE NOT pg_is_in_recovery()"


class Hearing(Protocol):
    """Who hears of the jobs that end by one step, or come back, in the transaction in which they do."""

    @property
    def here(self) -> Sequence[str]:
        """The plugins that are told, which the statement is given as its parameter `here`."""
        ...

    async def hear(self, rows: list[TupleRow], connection: AsyncConnection) -> list[TupleRow]:
        """Hear of the rows of the statement, between the statement and the COMMIT.

        What is written on `connection` commits with the step. It must neither commit nor roll back. After a failure
        both are done again, on another connection.

        Returns:
            The rows, for whoever asked.

        Raises:
            ConnectionGone: the step is to be done again.
            BaseException: the step is rolled back, and this is raised to whoever asked for it.
        """
        ...

    def not_committed(self, error: psycopg.Error) -> NoReturn:
        """Raise what is to become of a COMMIT that failed, as in `hear`."""
        ...


# Asked once a step, before it: who hears of it, if anybody wants to.
Hearer: TypeAlias = Callable[[], Hearing | None]


class Write:
    """A step in a transaction of its own. Its flow may be run again, on another connection, after the first was lost.

    Whoever does so ends the lost session first, so that its transaction is not in progress any more.

    Args:
        step: the step.
        hearer: who hears of it, if jobs end by it.
    """

    def __init__(self, step: Step, hearer: Hearer | None = None) -> None:
        self._hearing: Hearing | None = None
        if hearer is not None and isinstance(step, Query) and step.ending:
            self._hearing = hearer()
            if self._hearing is not None:
                step = step._replace(params={**step.params, "here": list(self._hearing.here)})
        self._step = step
        # What it answered, and the number of its transaction, once that may have been committed.
        self._rows: list[TupleRow] = []
        self._number: str | None = None

    def flow(self) -> Flow[list[TupleRow]]:
        """Do the step, unless it has been done. Returns its rows."""
        if self._number is not None and (yield from _committed(self._number)):
            yield from confirm()
            return self._rows
        self._number = None
        yield Query(b"BEGIN ISOLATION LEVEL READ COMMITTED")
        try:
            self._rows = yield self._step
            # Before anybody hears of it: whoever does may commit, although that is forbidden.
            ((self._number,),) = yield Query(_NUMBER)
            if self._rows and self._hearing is not None:
                self._rows = yield Inside(partial(self._hearing.hear, self._rows))
        except BaseException:
            with suppress(psycopg.Error):
                yield Query(b"ROLLBACK")
            raise
        try:
            yield Query(b"COMMIT")
        except psycopg.Error as error:
            if self._hearing is not None:
                self._hearing.not_committed(error)
            if not notify_queue_full(error):
                raise
            # The step was a notification and nothing else.
            return []
        return self._rows


def confirm() -> Flow[None]:
    """Wait until what was found to be committed is confirmed, too, as the answer to its COMMIT would have said.

    A commit that waits for its synchronous standby can be seen as soon as its session has ended, although no standby
    has it. Whoever is told of it then would lose it with the primary.
    """
    yield Query(_CONFIRM)


def _committed(number: str) -> Flow[bool]:
    try:
        ((fate,),) = yield Query(_FATE, {"number": number})
    except psycopg.DataError:
        # Another server, which has not come as far: the one that did it was lost with it.
        return False
    return bool(fate == _COMMITTED)
