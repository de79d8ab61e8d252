"""For what plugins offer to applications: open what they are given, and ask once more when a connection was lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import psycopg

from chancy_core.store import Pool, SyncPool
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.weather import Fault, fault_of

if TYPE_CHECKING:
    from chancy_core.app import Chancy

T = TypeVar("T")


async def opened(chancy: Chancy, *, makes: bool = False) -> Pool:
    """The connections of an application, which this may be the first use of: its schema has been looked at, and fits.

    Args:
        chancy: the application's; it opens itself, if it is not open.
        makes: whether a schema that is missing is made, as by the first push. Whoever only looks makes none.

    Raises:
        SchemaError: the schema is missing, or does not fit this code.
        NotOpen: it has been closed.
        DatabaseUnavailable: nothing answers there.
    """
    return (await chancy.opening.ready(makes=makes)).pool


def opened_sync(chancy: Chancy, *, makes: bool = False) -> SyncPool:
    """As `opened`, for code without asyncio."""
    return chancy.opening.ready_sync(makes=makes).pool


async def with_connection(pool: Pool, call: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Await `call(connection)`; once more, on another connection, if that one turns out to be of no use.

    A server closes sessions that are idle for long, and a fail-over leaves sessions on what is read-only by then; both
    are found out by using them. `call` must be something that may be done twice: the answer of the first may be what
    got lost.
    """
    try:
        async with pool.connection() as connection:
            return await call(connection)
    except psycopg.Error as error:
        # The pool has closed it by then, and those that were idle.
        if fault_of(error) is not Fault.GONE:
            raise
    async with pool.connection() as connection:
        return await call(connection)
