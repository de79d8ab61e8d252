"""Move many runs on at once; where one of them cannot be, the others all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import psycopg

from chancy import Chancy, ChancyError
from chancy.plugin import is_outage, text_of
from chancy_workflow.work import Work, grouped, run

T = TypeVar("T")


class Stuck(NamedTuple):
    """A run that could not be moved on, and why."""

    run: str
    error: Exception


async def each_run(
    chancy: Chancy,
    connection: psycopg.AsyncConnection[Any],
    rows: Sequence[Any],
    work: Callable[[list[Any]], Work[T]],
    stuck: list[Stuck],
) -> T | None:
    """Do the work for all runs in one transaction; if that fails, for each run in one of its own.

    Args:
        chancy: whose runs they are.
        connection: in no transaction.
        rows: what the work is given; each row begins with its run.
        work: what is to be done.
        stuck: where a run is added of which that could not be done.

    Returns:
        What the work returned for all of them; None if it was done run by run.

    Raises:
        psycopg.OperationalError: the database is away, which is the fault of no run.
    """
    try:
        async with connection.transaction():
            return await run(chancy, connection, work(list(rows)))
    except Exception as error:
        if is_outage(error) or connection.closed:
            raise
    for id_, own in grouped(rows, 0).items():
        try:
            async with connection.transaction():
                await run(chancy, connection, work(own))
        except Exception as error:
            if is_outage(error) or connection.closed:
                raise
            stuck.append(Stuck(id_, error))
    return None


def tell(stuck: Sequence[Stuck]) -> None:
    """Raise ChancyError, which is told as a failure of the hook, if there are such runs."""
    if stuck:
        id_, error = stuck[0]
        more = f" (and {len(stuck) - 1:,} others)" if len(stuck) > 1 else ""
        raise ChancyError(
            f"Run {id_}{more} cannot be moved on: {text_of(error)}. All others were. Look at it, or cancel it: "
            f"chancy workflow cancel {id_} --now"
        ) from error
