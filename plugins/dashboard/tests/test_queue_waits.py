"""How long jobs wait in a queue, on its page and among the others."""

from __future__ import annotations

from chancy import Queue

# Of a thousand jobs twenty waited for five to ten seconds, the others for hardly anything.
COUNTED = """
    INSERT INTO {s}.history_minutes
    SELECT date_trunc('minute', now()) - ago * interval '1 minute', 'mail', 'm.f', jobs, jobs, jobs, 0, 0, 0, 0, 1, 1,
           array_fill(0, ARRAY[bucket]) || jobs || array_fill(0, ARRAY[17 - bucket]), array_fill(0, ARRAY[18])
    FROM (VALUES (1, 980, 3), (2, 20, 10)) AS one (ago, jobs, bucket)
"""


async def test_the_few_jobs_that_wait_long_are_seen(browser, chancy, query):
    """The median and the 95th of a hundred are fine; the 99th is told beside them, on both pages."""
    await chancy.declare(Queue("mail"))
    query(COUNTED)
    (row,) = [row for row in (await browser.get("/api/queues")).json()["queues"] if row["name"] == "mail"]
    assert row["wait_p95_s"] <= 0.05
    assert 5 <= row["wait_p99_s"] <= 10
    assert "Wait p99" in (await browser.get("/queues")).text
    assert "p99 7.5 s" in (await browser.get("/queues/mail")).text
