"""For tests: the leader is gone."""

from __future__ import annotations

import psycopg

from chancy import Chancy
from chancy.plugin import statement


def leader_gone(chancy: Chancy) -> str | None:
    """Let whoever leads the workers of a schema be gone: with its lease, and a term that is over.

    It finds that out when it renews its lease the next time, and does not lead any more; whoever is elected then,
    itself perhaps, has another term. What is fenced by the old one is refused from now on.

    Args:
        chancy: whose workers.

    Returns:
        The name of the worker that led; None: nobody did.
    """
    with psycopg.connect(chancy.dsn, autocommit=True) as connection:
        rows = connection.execute(statement("depose", chancy.settings.schema, "chancy_leadership.sql")).fetchall()
    found: str | None = rows[0][0] if rows else None
    return found
