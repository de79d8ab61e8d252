"""The plugin's statements."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql

from chancy.plugin import Statements
from chancy_leadership.errors import TermsLost

SQL: Final = Statements("chancy_leadership.sql")


def channel(schema: str) -> str:
    """The NOTIFY channel on which a leader says that it has resigned; short enough for any schema's name."""
    return f"chancy.leader.{schema}"


async def listen(connection: psycopg.AsyncConnection[Any], schema: str) -> None:
    """Be told of resignations on this connection."""
    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel(schema))))


def only(found: list[tuple[Any, ...]], schema: str) -> tuple[Any, ...]:
    """The one row. Raises TermsLost if somebody has deleted it."""
    if not found:
        raise TermsLost(
            f'The row in "{schema}".leadership is gone, and with it the number of the last term. Put it back with a '
            f'term no smaller than any before: INSERT INTO "{schema}".leadership (term, elected_at) VALUES (…, now()).'
        )
    return found[0]
