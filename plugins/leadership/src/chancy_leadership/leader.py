"""Who leads, for whoever asks."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chancy import Chancy
from chancy.plugin import opened, with_connection
from chancy_leadership.store import SQL, only


class Leader(msgspec.Struct, frozen=True, kw_only=True):
    """Who leads a schema, as the database has it.

    Attributes:
        holder: the leader's name: that of the first worker of its process. None: nobody leads; the last one
            resigned, or its lease ran out.
        term: its term, or the last one's.
        elected_at: when that term began.
        lease_until: until when the lease holds, or held.
        left_s: seconds left of the lease, by the database's clock; 0 if nobody leads.
    """

    holder: str | None
    term: int
    elected_at: datetime
    lease_until: datetime
    left_s: float


async def get_leader(chancy: Chancy) -> Leader | None:
    """Who leads; None if nobody ever did.

    Raises:
        SchemaError: the schema does not fit this code; says what to run.
        TermsLost: somebody has emptied the table; says what to do.
    """
    pool = await opened(chancy)
    found = await with_connection(pool, lambda connection: SQL.rows(connection, chancy.settings.schema, "get_leader"))
    holder, term, elected_at, lease_until, left_s = only(found, chancy.settings.schema)
    if not term:
        return None
    return Leader(
        holder=holder if left_s > 0 else None,
        term=term,
        elected_at=elected_at,
        lease_until=lease_until,
        left_s=max(left_s, 0.0),
    )
