"""How long the slowest waited and ran."""

from __future__ import annotations

from chancy_history import rates


async def test_one_of_a_hundred_that_waits_long_is_seen(chancy, remember):
    """The 95th of a hundred says nothing of it: the 99th does, of waits and of runs."""
    remember(60, 980, bucket=3)
    remember(120, 20, bucket=10)
    (found,) = (await rates(chancy)).rows
    assert found.wait_p95_s <= 0.05
    assert 5 <= found.wait_p99_s <= 10
    assert found.run_p95_s <= 0.05
    assert 5 <= found.run_p99_s <= 10
