"""Database: our tables, who holds what, and how many connections are left."""

from __future__ import annotations

from typing import Any, Final

from chancy.plugin import Visit, WebPage
from chancy_dashboard.reading.connections import rows
from chancy_dashboard.reading.parts import together

SHOWN: Final = 60
# A snapshot that is held for longer keeps vacuum from its work.
HELD_LONG_S: Final = 60.0


async def load(visit: Visit) -> dict[str, Any]:
    """How the database does, as far as this role may see."""
    chancy = visit.chancy
    found = await together(
        server=rows(chancy, "look_at_server"),
        tables=rows(chancy, "look_at_tables", schema=chancy.settings.schema, limit=SHOWN),
        holders=rows(chancy, "find_holders"),
        blocked=rows(chancy, "find_blocked", schema=chancy.settings.schema),
    )
    holders = found["holders"] or []
    tables = found["tables"] or []
    return {
        "server": (found["server"] or [None])[0],
        "tables": tables,
        "size_bytes": sum(row["size_bytes"] for row in tables),
        "holders": holders,
        "held": next((row for row in holders if (row["since_s"] or 0) > HELD_LONG_S), None),
        "blocked": found["blocked"] or [],
        "partial": found["partial"],
    }


DATABASE: Final = WebPage(
    path="database",
    title="Database",
    load=load,
    template="chancy_dashboard.templates/database.html",
    group="System",
    icon="database",
)
