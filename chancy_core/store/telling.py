"""A transaction in which plugins are told of what it records, each in a savepoint, in few round trips."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import psycopg

from chancy_core.store.flow import AsyncConnection

# A plugin's statement ends on the server after so many milliseconds, a little more than plugins have. The server looks
# for its client only between statements: without this, a worker that is killed meanwhile would leave its jobs locked.
# The inner savepoint is that of the plugin that is told first.
_BEFORE: Final = (
    b"SELECT now(); SAVEPOINT chancy_outcomes; SET LOCAL statement_timeout = 6000; SET LOCAL lock_timeout = 0; "
    b"SAVEPOINT chancy_plugin"
)
_NEXT: Final = b"RELEASE SAVEPOINT chancy_plugin; SAVEPOINT chancy_plugin"
_UNDO: Final = b"ROLLBACK TO SAVEPOINT chancy_plugin"
_AFTER: Final = (
    b"RELEASE SAVEPOINT chancy_outcomes; SET LOCAL statement_timeout TO DEFAULT; SET LOCAL lock_timeout TO DEFAULT"
)


class Telling:
    """The part of a transaction that belongs to plugins.

    Attributes:
        connection: the connection.
        at: when the transaction began, by the database's clock.
        spoilt: whether a plugin has ended the transaction, or closed the connection: what is written now may be in no
            transaction, and the end of the block raises.
    """

    def __init__(self, connection: AsyncConnection, at: datetime) -> None:
        self.connection: Final = connection
        self.at: Final = at
        self.spoilt = False
        self._used = False

    async def next(self) -> None:
        """Begin the savepoint of the plugin that is told now."""
        if self._used:
            await self.connection.execute(_NEXT, prepare=False)
        self._used = True

    async def undo(self) -> None:
        """Undo what the plugin wrote that was told last."""
        try:
            await self.connection.execute(_UNDO, prepare=False)
            self._used = False
        except psycopg.Error:
            self.spoilt = True


@asynccontextmanager
async def telling(connection: AsyncConnection) -> AsyncIterator[Telling]:
    """Let plugins take part in the transaction that a connection is in, for the length of the block.

    Raises:
        psycopg.Error: one of them has ended the transaction, or closed the connection.
    """
    ((at,),) = await (await connection.execute(_BEFORE, prepare=False)).fetchall()
    yield Telling(connection, at)
    # Proof that the transaction is still the one that recorded what they were told of: psycopg would leave a
    # transaction that a plugin has rolled back, or a connection that it has closed, without a word.
    await connection.execute(_AFTER, prepare=False)
