"""The plugin's own connection, and its statements."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from chancy import Chancy, statement
from chancy_leadership.errors import TermsLost

PACKAGE: Final = "chancy_leadership.sql"
CONNECT_TIMEOUT_S: Final = 10
# A server that vanished without a word is noticed within 5 + 2 * 3 seconds, in time for another try within a lease of
# the default length.
KEEPALIVES: Final = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 11_000}


def channel(schema: str) -> str:
    """The NOTIFY channel on which a leader says that it has resigned; short enough for any schema's name."""
    return f"chancy.leader.{schema}"


async def connect(chancy: Chancy) -> psycopg.AsyncConnection[Any]:
    """A connection that autocommits, outside the pool, so that nobody who uses up the pool can unseat the leader."""
    ours: dict[str, Any] = {
        "application_name": "chancy leadership",
        "connect_timeout": CONNECT_TIMEOUT_S,
        **KEEPALIVES,
    }
    return await psycopg.AsyncConnection.connect(
        make_conninfo("", **{**ours, **conninfo_to_dict(chancy.dsn)}),
        autocommit=True,
        # A prepared statement lives in a session, which a transaction pooler does not keep.
        prepare_threshold=None if chancy.settings.pooler else 5,
    )


async def listen(connection: psycopg.AsyncConnection[Any], schema: str) -> None:
    """Be told of resignations on this connection."""
    await connection.execute(SQL("LISTEN {}").format(Identifier(channel(schema))))


def only(found: list[tuple[Any, ...]], schema: str) -> tuple[Any, ...]:
    """The one row. Raises TermsLost if somebody has deleted it."""
    if not found:
        raise TermsLost(
            f'The row in "{schema}".leadership is gone, and with it the number of the last term. Put it back with a '
            f'term no smaller than any before: INSERT INTO "{schema}".leadership (term, elected_at) VALUES (…, now()).'
        )
    return found[0]


async def rows(
    connection: psycopg.AsyncConnection[Any], schema: str, name: str, params: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run the statement `name`. Returns its rows, whatever kind of rows the connection makes."""
    async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(statement(name, schema, PACKAGE), params)
        return await cursor.fetchall()
