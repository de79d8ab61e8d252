"""One step of a flow, done once: when the answer to its COMMIT is lost, the database is asked what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.rows import TupleRow

from chancy_core.store.flow import AsyncConnection, Flow, Inside, Query, Step
from chancy_core.store.weather import notify_queue_full

# A number that names the transaction; none if it has changed nothing.
_NUMBER: Final = b"SELECT pg_current_xact_id_if_assigned()::text"
_FATE: Final = b"SELECT pg_xact_status(%(number)s::text::xid8)"
_COMMITTED: Final = "committed"


class Hearer(NamedTuple):
    """Who hears of the jobs that end by a step, or come back, in the transaction in which they do.

    Attributes:
        params: parameters of every such statement, in place of its own.
        hear: is given the statement, whose name is its `ending`, its rows if there are any, and the connection, after
            the statement and before the COMMIT. What it writes there commits with the step. If the answer to that
            COMMIT is lost and nothing was committed, both are done again, by another connection. It must neither commit
            nor roll back. What it raises rolls the step back, and is raised to whoever asked for the step.
    """

    params: Mapping[str, Any]
    hear: Callable[[Query, list[TupleRow], AsyncConnection], Awaitable[None]]


class Write:
    """A step in a transaction of its own. Its flow may be run again, on another connection, after the first was lost.

    Whoever does so ends the lost session first, so that its transaction is not in progress any more.

    Args:
        step: the step.
        hearer: who hears of it, if jobs end by it.
    """

    def __init__(self, step: Step, hearer: Hearer | None = None) -> None:
        self._hear = None
        if hearer is not None and isinstance(step, Query) and step.ending is not None:
            self._hear = partial(hearer.hear, step)
            step = step._replace(params={**step.params, **hearer.params})
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
            if rows and self._hear is not None:
                yield Inside(partial(self._hear, rows))
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
