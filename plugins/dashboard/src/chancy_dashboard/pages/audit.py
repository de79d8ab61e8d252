"""Audit: who did what, to how many, from where and why."""

from __future__ import annotations

from typing import Any, Final

from chancy.plugin import Visit, WebPage
from chancy_dashboard.reading.connections import rows

SHOWN: Final = 50
ID_MAX: Final = 2**63 - 1


async def load(visit: Visit) -> dict[str, Any]:
    """The entries, the newest first, a page of them."""
    who, action = visit.query.get("who", "").strip()[:200], visit.query.get("action", "").strip()[:100]
    before = _number(visit.query.get("before", ""))
    found = await rows(
        visit.chancy, "find_audit", who=who or None, action=action or None, before=before or ID_MAX, limit=SHOWN + 1
    )
    return {
        "entries": found[:SHOWN],
        "next": found[SHOWN - 1]["id"] if len(found) > SHOWN else None,
        "first": before is None,
        "who": who,
        "action": action,
        "actions": [row["action"] for row in await rows(visit.chancy, "find_audit_actions")],
    }


def _number(text: str) -> int | None:
    return min(int(text), ID_MAX) if text.isascii() and text.isdigit() and len(text) < 20 else None  # noqa: PLR2004


AUDIT: Final = WebPage(
    path="audit",
    title="Audit",
    load=load,
    template="chancy_dashboard.templates/audit.html",
    group="System",
    icon="audit",
)
