"""Whole hours of all queues together: what is long ago is read from a row an hour."""

from __future__ import annotations

import pytest

from chancy_history.store import keep_up

DAY_S = 86_400
KEPT = {"minutes_s": 2 * DAY_S, "hours_s": 90 * DAY_S}
# What the totals say, and what the rows of minutes and hours add up to.
TOLD = "SELECT at, started, first, finished, bad, wait_s, pending FROM {s}.history_totals_v1 ORDER BY at"
ADDED = """
    SELECT date_trunc('hour', at, 'UTC'), sum(started)::bigint, sum(first)::bigint,
           sum(succeeded + failed + cancelled)::bigint, sum(failed + retried)::bigint, sum(wait_s)
    FROM {s}.history_v1
    GROUP BY 1
    ORDER BY 1
"""


@pytest.fixture
def keep(chancy):
    """Does once what the leader does each minute."""

    async def once():
        async with chancy.pool.connection() as connection:
            await keep_up(connection, chancy.settings.schema, **KEPT)

    return once


async def test_totals_are_what_all_queues_did_in_each_hour_that_is_over(remember, query, keep):
    """Of hours that are there already, and of minutes that become some; once, however often it is looked."""
    for ago_s in (50 * DAY_S, 20 * DAY_S, 3 * DAY_S):
        remember(ago_s, 100, 7, table="hours", queue="mail")
        remember(ago_s, 10, table="hours", queue="reports")
    remember(5 * 3600, 40, 2)
    remember(4 * 3600, 30)
    # Ten days at a time: three rounds for fifty days, and one more for what is left.
    for _ in range(5):
        await keep()
    told = query(TOLD)
    assert [row[:6] for row in told] == query(ADDED)
    assert len(told) == 5
    assert [row[3] for row in told] == [117, 117, 117, 42, 30]
    await keep()
    assert query(TOLD) == told


async def test_an_hour_in_which_jobs_waited_and_none_ran_is_told_too(remember, query, keep):
    """How many waited is the mean of the minutes, over all queues; more than can be counted is not a number."""
    query(
        "INSERT INTO {s}.history_depths SELECT date_trunc('hour', now(), 'UTC') - h * interval '1 hour' "
        "+ n * interval '1 minute', q, CASE WHEN h = 3 AND q = 'b' AND n = 0 THEN NULL ELSE 10 * n END "
        "FROM generate_series(2, 3) AS h, generate_series(0, 2) AS n, (VALUES ('a'), ('b')) AS one (q)"
    )
    await keep()
    assert [(row[3], row[6]) for row in query(TOLD)] == [(0, 30.0), (0, 20.0)]


async def test_totals_are_forgotten_with_the_hours(query, keep, remember):
    """After as long as these."""
    remember(100 * DAY_S, 5, table="hours")
    await keep()
    assert query(TOLD) == []
