"""Charts of days and months: the same numbers as of what was counted, from fewer rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from chancy_history.store import SQL

from chancy_dashboard.reading.series import RANGES, spans

# Two queues that did the same in each of the last eighty hours.
HOURS = """
    INSERT INTO {s}.history_hours
    SELECT date_trunc('hour', now(), 'UTC') - n * interval '1 hour', queue, 'm.f', 36, 36, 30, 6, 0, 0, 0, 72, 1,
           array_fill(2::bigint, ARRAY[18]), array_fill(2::bigint, ARRAY[18])
    FROM generate_series(1, 80) AS n, (VALUES ('mail'), ('reports')) AS one (queue)
"""
DEPTHS = """
    INSERT INTO {s}.history_depths
    SELECT date_trunc('hour', now(), 'UTC') - n * interval '1 hour', queue, 50
    FROM generate_series(0, 40) AS n, (VALUES ('mail'), ('reports')) AS one (queue)
"""


@pytest.mark.parametrize("added_up", [False, True], ids=["as counted", "added up"])
async def test_a_chart_of_days_is_the_same_whether_or_not_its_hours_were_added_up(browser, chancy, query, added_up):
    """Home took a second for ninety days of five hundred queues, and showed nothing then."""
    query(HOURS)
    query(DEPTHS)
    if added_up:
        async with chancy.pool.connection() as connection:
            await SQL.rows(connection, chancy.settings.schema, "roll_totals")
        assert query("SELECT count(*) > 50 FROM {s}.history_totals") == [(True,)]
    found = (await browser.get("/api", params={"range": "2d"})).json()["series"]
    # Whichever hour and day it is by then: the last two steps may be of now.
    assert found["out"][-12:-2] == [pytest.approx(72 / 3600)] * 10
    assert found["wait_s"][-12:-2] == [pytest.approx(2)] * 10
    assert found["pending"][-12:-2] == [100] * 10
    days = (await browser.get("/api", params={"range": "90d"})).json()["series"]
    assert days["out"][-3] == pytest.approx(24 * 72 / 86_400)
    assert days["pending"][-2] == 100


@pytest.mark.parametrize(
    ("since", "over_s"),
    [(timedelta(hours=6), 21_600), (timedelta(seconds=1), 10), (timedelta(days=2), 86_400)],
    ids=["at six in the morning", "just after midnight", "as another clock has it"],
)
def test_every_chart_ended_in_a_fall(since, over_s):
    """The newest step was told as if it were over: at six in the morning, the day had done a quarter of its work."""
    midnight = datetime(2026, 11, 28, tzinfo=UTC)
    days = [midnight - timedelta(days=1), midnight]
    assert spans(RANGES[-1], days, midnight + since) == [86_400, over_s]
