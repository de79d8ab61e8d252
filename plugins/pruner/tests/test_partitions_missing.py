"""Partitions that are missing although somebody prunes are found."""

from __future__ import annotations

import json

from chancy.plugin import find_problems


async def test_missing_partitions_are_found(chancy, query):
    """Not where nobody prunes, and not before a pruner has had its rounds; `prune --now` makes them."""

    def prunes(ticks: int) -> None:
        status = json.dumps({"plugins": [{"name": "pruner", "ticks": ticks}]})
        query("DELETE FROM {s}.workers")
        query(
            "INSERT INTO {s}.workers (worker, tags, lease_until, status, status_at) "
            "VALUES ('web-1', '{}', now() + interval '1 hour', %s, now())",
            status,
        )

    assert await find_problems(chancy) == []
    prunes(1)
    assert await find_problems(chancy) == []
    prunes(9)
    found = await find_problems(chancy)
    assert {one.id for one in found} == {"partition-missing"}
    assert len(found) == 3
