"""One step of a flow, done once: when the answer to its COMMIT is lost, the database is asked what became of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from chancy_core.store.flow import Flow, Query, Step
from chancy_core.store.weather import notify_queue_full

# A number that names the transaction; none if it has changed nothing.
_NUMBER: Final = b"SELECT pg_current_xact_id_if_assigned()::text"
_FATE: Final = b"SELECT pg_xact_status(%(number)s::text::xid8)"
_COMMITTED: Final = "committed"


class Write:
    """A step in a transaction of its own. Its flow may be run again, on another connection, after the first was lost.

    Whoever does so ends the lost session first, so that its transaction is not in progress any more.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        # What it answered, and the number of its transaction, once its COMMIT may have been sent.
        self._rows: list[TupleRow] = []
        self._number: str | None = None

    def flow(self) -> Flow[list[TupleRow]]:
        """Do the step, unless it has been done. Returns its rows."""
        if self._number is not None and (yield from _committed(self._number)):
            return self._rows
        self._number = None
        yield Query(b"BEGIN ISOLATION LEVEL READ COMMITTED")
        try:
            rows = yield self._step
            ((number,),) = yield Query(_NUMBER)
        except BaseException:
            with suppress(psycopg.Error):
                yield Query(b"ROLLBACK")
            raise
        self._rows, self._number = rows, number
        try:
            yield Query(b"COMMIT")
        except psycopg.Error as error:
            if not notify_queue_full(error):
                raise
            # The step was a notification and nothing else.
            return []
        return rows


def _committed(number: str) -> Flow[bool]:
    try:
        ((fate,),) = yield Query(_FATE, {"number": number})
    except psycopg.DataError:
        # Another server, which has not come as far: the one that did it was lost with it.
        return False
    return bool(fate == _COMMITTED)
