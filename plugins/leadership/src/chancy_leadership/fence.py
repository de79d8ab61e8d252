"""Make a transaction the leader's: it commits only if nobody else was elected before."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from chancy_leadership.errors import NotLeader
from chancy_leadership.store import SQL


async def fence(connection: psycopg.AsyncConnection[Any], schema: str, holder: str, term: int) -> None:
    """Keep others from being elected until the connection's transaction ends.

    Raises:
        NotLeader: `holder` does not lead in `term` any more.
        ValueError: the connection is not in a transaction.
    """
    if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        raise ValueError(
            "fence() outside a transaction would hold for no time: "
            "call it inside `async with connection.transaction():`."
        )
    if not await SQL.rows(connection, schema, "fence", holder=holder, term=term):
        raise NotLeader(f"{holder} does not lead schema {schema!r} in term {term} any more: somebody else was elected.")
