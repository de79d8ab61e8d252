"""A test lets the leader be gone."""

from __future__ import annotations

from chancy import Worker
from chancy_leadership.testing import leader_gone


async def test_a_test_had_to_wait_for_a_lease_to_run_out(new_chancy, query, until):
    """The term is over at once; whoever is elected then has a later one."""
    async with new_chancy(interval=0.1) as chancy:
        assert leader_gone(chancy) is None
        async with Worker(chancy) as worker:
            await until(lambda: query("SELECT 1 FROM {s}.leadership WHERE holder = %s", worker.name))
            ((term,),) = query("SELECT term FROM {s}.leadership")
            assert leader_gone(chancy) == worker.name
            await until(lambda: query("SELECT 1 FROM {s}.leadership WHERE holder IS NOT NULL AND term > %s + 1", term))
