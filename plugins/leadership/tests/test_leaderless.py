"""That nobody leads is found, once it has lasted for longer than an election takes."""

from __future__ import annotations

import json

from chancy.plugin import find_problems


def stands(query, started: str) -> None:
    """A live worker with this plugin."""
    status = json.dumps({"leads": False, "plugins": [{"name": "leadership", "ticks": 3}]})
    query(
        "INSERT INTO {s}.workers (worker, tags, started_at, lease_until, status, status_at) "
        f"VALUES ('web-1', '{{}}', now() - interval '{started}', now() + interval '1 hour', %s, now())",
        status,
    )


async def test_that_nobody_leads_is_found(new_chancy, query):
    """Not without workers, not just after one has started, and not while somebody leads."""
    async with new_chancy() as chancy:
        assert await find_problems(chancy) == []
        stands(query, "1 s")
        assert await find_problems(chancy) == []
        query("UPDATE {s}.workers SET started_at = now() - interval '1 hour'")
        (found,) = await find_problems(chancy)
        assert (found.id, found.severity) == ("nobody-leads", "error")
        assert "web-1" in found.what
        query("DELETE FROM {s}.leadership")
        (found,) = await find_problems(chancy)
        assert found.id == "terms-lost"
