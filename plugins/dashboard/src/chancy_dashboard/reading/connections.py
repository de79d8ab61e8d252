"""The dashboard's own connections: few, read-only, and none of the queue's."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Final, NamedTuple

import psycopg

from chancy import Chancy
from chancy.errors import ChancyError, NotOpen, SchemaError
from chancy.plugin import Statements, apart, opened
from chancy_dashboard.reading.troubles import Troubles, Watch

SQL: Final = Statements("chancy_dashboard.sql")
# The queue must not feel that anybody looks: whatever takes longer is given up, and the page says so.
STATEMENT_TIMEOUT_S: Final = 1.0
CONNECTIONS: Final = 4
# What changes something may take longer, one batch at a time.
ACT_TIMEOUT_S: Final = 30.0
ACT_CONNECTIONS: Final = 2
# Whether the database takes changes is looked at so often.
SERVER_FOR_S: Final = 10.0
SERVER_WITHIN_S: Final = 3.0


class Server(NamedTuple):
    """The database, as people call it.

    Attributes:
        database: its name.
        user: the role that asks.
        version: such as `16.4`.
        replica: whether it takes no changes.
        behind_s: how old what a standby shows is, in seconds; None: it is none.
    """

    database: str
    user: str
    version: str
    replica: bool
    behind_s: float | None = None


class Reader:
    """The application thrice more: to look, with read-only connections; to look for what is wrong; and to act.

    Args:
        chancy: the application. It is only asked where its database is.
        dsn: where to look instead, such as a replica.
        watch: looks for what is wrong.
    """

    def __init__(self, chancy: Chancy, watch: Watch, dsn: str | None = None) -> None:
        self.watch: Final = watch
        self._chancy: Final = chancy
        self._dsn: Final = dsn
        self._lock: asyncio.Lock | None = None
        self._made: tuple[Chancy, Chancy, Chancy] | None = None
        self._server: Server | None = None
        self._looked_at = float("-inf")

    async def look(self) -> Chancy:
        """The application whose connections are read-only."""
        return (await self._all())[0]

    async def act(self) -> Chancy:
        """The application that can change things."""
        return (await self._all())[1]

    async def troubles(self, patience_s: float | None = None) -> Troubles | None:
        """What is wrong now, in the database that takes changes, wherever one looks otherwise.

        Args:
            patience_s: how long to wait for it, in seconds; None: until it is known.
        """
        return await self.watch.now((await self._all())[2], patience_s)

    async def _all(self) -> tuple[Chancy, Chancy, Chancy]:
        if self._made is None:
            self._lock = self._lock or asyncio.Lock()
            async with self._lock:
                if self._made is None:
                    self._made = await self._make()
        return self._made

    async def _make(self) -> tuple[Chancy, Chancy, Chancy]:
        if self._chancy.settings.dsn is None:
            await self._start()
        look = apart(
            self._chancy,
            dsn=self._dsn,
            read_only=True,
            statement_timeout_s=STATEMENT_TIMEOUT_S,
            pool_max_size=CONNECTIONS,
        )
        act = apart(self._chancy, statement_timeout_s=ACT_TIMEOUT_S, pool_max_size=ACT_CONNECTIONS)
        # Not read-only by itself, because a database that is so is a finding.
        check = apart(self._chancy, statement_timeout_s=STATEMENT_TIMEOUT_S, pool_max_size=ACT_CONNECTIONS)
        return look, act, check

    async def _start(self) -> None:
        """Let the private server run: where it is, is known then."""
        try:
            await opened(self._chancy)
        except SchemaError as error:
            try:
                # Each page tells of the schema, if the server runs all the same.
                _ = self._chancy.dsn
            except NotOpen:
                raise error from None

    async def ready(self) -> None:
        """Connect, before anything is looked up. A schema that does not fit is told by whoever asks.

        Raises:
            DatabaseUnavailable: nothing answers there.
        """
        with suppress(SchemaError):
            await opened(await self.look())

    async def close(self) -> None:
        """Disconnect."""
        await self.watch.close()
        made, self._made = self._made, None
        for one in made or ():
            await one.close()

    async def server(self) -> Server | None:
        """What the database is that takes changes; the last that was known, if it does not answer; None: nothing is."""
        now = time.monotonic()
        if now - self._looked_at > SERVER_FOR_S:
            # Also if it does not answer: nobody waits for it at each page.
            self._looked_at = now
            with suppress(ChancyError, psycopg.Error, TimeoutError, OSError):
                async with asyncio.timeout(SERVER_WITHIN_S):
                    act = await self.act()
                    with suppress(SchemaError):
                        await opened(act)
                    async with act.pool.connection() as connection:
                        ((*found,),) = await SQL.rows(connection, act.settings.schema, "read_server")
                self._server = Server(*found)
        return self._server


async def rows(chancy: Chancy, name: str, /, **params: Any) -> list[dict[str, Any]]:
    """Run a statement of this package in a read-only transaction, also where nothing can be set for a connection."""
    pool = await opened(chancy)
    async with pool.connection() as connection, connection.transaction():
        await SQL.rows(connection, chancy.settings.schema, "begin_reading", ms=str(int(STATEMENT_TIMEOUT_S * 1000)))
        return await SQL.dicts(connection, chancy.settings.schema, name, **params)
