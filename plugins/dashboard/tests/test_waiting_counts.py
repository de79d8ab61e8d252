"""How many jobs wait, where there are many queues: no page counts them all."""

from __future__ import annotations

import pytest

from chancy import Chancy, Job, Queue
from chancy_dashboard.reading import figures

DEPTHS = """
    INSERT INTO {s}.history_depths (at, queue, pending)
    SELECT date_trunc('minute', now()) - ago * interval '1 minute', queue, pending
    FROM (VALUES (1, 'large', 7000), (1, 'small', 7000), (9, 'large', 9000), (1, 'gone', 5)) AS r (ago, queue, pending)
"""


@pytest.fixture
async def waits(chancy: Chancy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two queues, with more jobs in one than its part of what is counted."""
    monkeypatch.setattr(figures, "ALL_COUNTED", 240)
    for name, count in (("large", 130), ("small", 40)):
        await chancy.declare(Queue(name))
        await chancy.push_many(name, [Job(func="m.f")] * count)


async def test_each_queue_is_counted_as_far_as_its_part(browser, waits):
    """What was not counted to its end is told as such, in the page and in what JSON has."""
    found = (await browser.get("/api/queues")).json()
    counts = {queue["name"]: (queue["waiting"], queue["exact"]) for queue in found["queues"]}
    assert (counts["large"], counts["small"]) == ((120, False), (40, True))
    assert (found["waiting"], found["waiting_exact"]) == (160, False)
    assert "More than 160 jobs wait" in (await browser.get("/")).text


async def test_a_small_number_of_each_is_always_counted(browser, waits, monkeypatch):
    """However many queues there are."""
    monkeypatch.setattr(figures, "ALL_COUNTED", 2)
    found = (await browser.get("/api/queues")).json()
    counts = {queue["name"]: (queue["waiting"], queue["exact"]) for queue in found["queues"]}
    assert (counts["large"], counts["small"]) == ((100, False), (40, True))


async def test_what_goes_beyond_is_as_the_history_counted_it(browser, waits, query):
    """The latest minute; what was counted to its end here is not replaced by it."""
    query(DEPTHS)
    found = (await browser.get("/api/queues")).json()
    counts = {queue["name"]: (queue["waiting"], queue["exact"]) for queue in found["queues"]}
    assert (counts["large"], counts["small"]) == ((7000, False), (40, True))
    assert "gone" not in counts


async def test_one_queue_is_counted_further(browser, waits):
    """On its own page."""
    now = (await browser.get("/api/queues/large")).json()["now"]
    assert (now["waiting"], now["exact"]) == (130, True)
