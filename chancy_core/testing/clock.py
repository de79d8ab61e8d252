"""The clock of a drain: what the statements of its session take for the time.

`now()` is when a transaction began, and stays there. The transaction of a test may have begun long before a job is
pushed in it, and a retry lies in the future. So for the length of a drain, the session finds other functions under the
names `now` and `clock_timestamp`: those of a schema that stands before PostgreSQL's own in its search path. The
statements are the same as ever. What a column takes by default stays PostgreSQL's.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from chancy_core.errors import ChancyError
from chancy_core.store.flow import AsyncConnection
from chancy_core.testing.sole import in_transaction

# What is changed on the way, by plugins' turns also, and is the test's own afterwards.
KEPT: Final = ("search_path", "statement_timeout", "lock_timeout")
_READ: Final = (
    b"SELECT clock_timestamp(), current_setting('search_path'), current_setting('statement_timeout'), "
    b"current_setting('lock_timeout')"
)
_SET: Final = b"SELECT set_config(%s, %s, %s)"
_MADE: Final = """
    CREATE SCHEMA {schema};
    CREATE FUNCTION {schema}.now() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT pg_catalog.current_setting('chancy.now')::timestamptz $$;
    CREATE FUNCTION {schema}.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT pg_catalog.current_setting('chancy.now')::timestamptz $$;
    GRANT USAGE ON SCHEMA {schema} TO public
"""


class Clock:
    """The clock of a session, for the length of a drain.

    Attributes:
        now: what time it is there.
    """

    def __init__(self) -> None:
        self.now: datetime
        self._schema: Final = f"chancy_clock_{secrets.token_hex(6)}"
        self._before: list[Any] = []
        self._local = True

    async def start(self, connection: AsyncConnection) -> None:
        """Let it show what the server's clock shows.

        Raises:
            ChancyError: the role may not create the schema that it takes.
        """
        self._local = in_transaction(connection)
        ((self.now, *self._before),) = await _rows(connection, _READ)
        made = sql.SQL(_MADE).format(schema=sql.Identifier(self._schema))
        try:
            async with connection.transaction():
                await connection.execute(made)
        except psycopg.errors.InsufficientPrivilege as error:
            raise ChancyError(
                "drain keeps a clock of its own in a schema that it makes in the test's transaction, and this role may "
                f"make none: GRANT CREATE ON DATABASE {connection.info.dbname} TO {connection.info.user}."
            ) from error
        await self.set(connection, self.now)
        path = f"{self._schema}, pg_catalog, {self._before[0]}".rstrip(", ")
        await connection.execute(_SET, ("search_path", path, self._local))

    async def set(self, connection: AsyncConnection, moment: datetime) -> None:
        """Let it show another time."""
        self.now = moment
        await connection.execute(_SET, ("chancy.now", moment.isoformat(), self._local))

    async def stop(self, connection: AsyncConnection) -> None:
        """Let the session see PostgreSQL's own again."""
        for name, value in zip(KEPT, self._before, strict=True):
            await connection.execute(_SET, (name, value, self._local))
        await connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(self._schema)))


async def _rows(connection: AsyncConnection, text: bytes) -> list[Any]:
    cursor = psycopg.AsyncCursor(connection)
    return await (await cursor.execute(text)).fetchall()
