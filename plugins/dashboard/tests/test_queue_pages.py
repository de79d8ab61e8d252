"""Queues, and one queue: what is told, and what is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chancy import Job, Queue

AWKWARD = "mail/eu-1.x@y:z"


async def test_a_pause_has_a_reason_an_end_and_an_author(browser, chancy):
    """All three are told on the queue's page, and in the audit."""
    await chancy.declare(Queue("mail"))
    sent = await browser.post("/do/pause/queues/mail", data={"reason": "relay <b>smtp-2</b> is down", "for": "1h"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/queues/mail")
    queue = await chancy.get_queue("mail")
    assert queue.state == "paused"
    assert timedelta(minutes=50) < queue.resume_at - datetime.now(UTC) < timedelta(minutes=70)
    page = (await browser.get("/queues/mail")).text
    assert "The queue mail is paused for 1 h." in page
    assert "relay &lt;b&gt;smtp-2&lt;/b&gt; is down" in page
    assert "<b>smtp-2" not in page
    assert "Paused by ada " in page
    # It is said once.
    assert "is paused for 1 h." not in (await browser.get("/queues")).text
    (entry,) = (await browser.get("/api/audit")).json()["entries"]
    assert (entry["who"], entry["action"], entry["subject"], entry["state"]) == ("ada", "pause", "queue mail", "done")
    assert (await browser.post("/do/resume/queues", data={"queue": "mail"})).status_code == 303
    assert (await chancy.get_queue("mail")).state == "active"


@pytest.mark.parametrize(
    ("action", "form", "told"),
    [
        ("pause", {"for": "soon"}, "&#39;soon&#39;"),
        ("pause", {"for": "1000000d"}, "&#39;1000000d&#39;"),
        ("configure", {"concurrency": "many"}, "concurrency is &#39;many&#39;"),
        ("configure", {"rate_limit": "-3"}, "rate_limit is -3"),
        ("delete", {"confirm": "mial"}, "type mail to confirm"),
    ],
)
async def test_what_cannot_be_done_is_told_where_it_was_typed(browser, chancy, action, form, told):
    """The page again, with what was typed; nothing has changed, and the audit has it."""
    before = await chancy.declare(Queue("mail", concurrency=3))
    page = await browser.post(f"/do/{action}/queues/mail", data=form)
    assert page.status_code == 409
    assert told in page.text
    if action == "configure":
        assert f'value="{next(iter(form.values()))}"' in page.text
    assert await chancy.get_queue("mail") == before
    (entry,) = (await browser.get("/api/audit")).json()["entries"]
    assert (entry["action"], entry["state"]) == (action, "failed")


async def test_limits_are_changed_and_taken_away(browser, chancy):
    """What is left out stays, what is empty is no limit."""
    await chancy.declare(Queue("mail", concurrency=3, rate_limit=5, global_concurrency=7, tags=["gpu"]))
    await browser.post(
        "/do/configure/queues/mail", data={"concurrency": "4", "rate_limit": "", "global_concurrency": "1,000"}
    )
    queue = await chancy.get_queue("mail")
    assert (queue.concurrency, queue.rate_limit, queue.global_concurrency) == (4, None, 1000)
    assert queue.tags == ["gpu"]


async def test_a_paused_queue_stays_paused_when_its_limits_change(browser, chancy):
    """A change is no resumption."""
    await chancy.declare(Queue("mail"))
    await chancy.pause_queue("mail", resume_at=timedelta(hours=2))
    await browser.post("/do/configure/queues/mail", data={"concurrency": "4"})
    assert (await chancy.get_queue("mail")).state == "paused"


async def test_a_queue_with_an_awkward_name_has_its_pages(browser, chancy):
    """Slashes and all; also that of an action, and its redirect."""
    await browser.post("/do/declare/queues", data={"name": AWKWARD})
    assert AWKWARD in {queue.name for queue in await chancy.get_all_queues()}
    assert (await browser.get(f"/queues/{AWKWARD}")).status_code == 200
    sent = await browser.post(f"/do/pause/queues/{AWKWARD}")
    assert sent.headers["location"] == "/queues/mail/eu-1.x%40y%3Az"
    assert (await browser.get(sent.headers["location"])).status_code == 200
    assert (await chancy.get_queue(AWKWARD)).state == "paused"


async def test_trouble_comes_first_and_is_told(browser, chancy):
    """Nobody serves it; jobs in a queue that nobody declared; and a queue that is not there."""
    for name in ("a-quiet", "z-late"):
        await chancy.declare(Queue(name))
    await chancy.push_many([Job("app.send", queue="z-late")] * 3)
    await chancy.declare(Queue("gone"))
    await chancy.push(Job("app.send", queue="gone"))
    await chancy.delete_queue("gone", purge_jobs=False)
    found = (await browser.get("/api/queues")).json()
    assert found["queues"][0]["name"] == "z-late"
    assert found["queues"][0]["outlook"] == "nobody serves it"
    assert found["queues"][0]["waiting"] == 3
    page = (await browser.get("/queues")).text
    assert "1 job waits in gone, which nobody declared" in page
    missing = await browser.get("/queues/gone")
    assert missing.status_code == 404
    assert "gone" in missing.text


async def test_many_queues_are_shown_page_by_page(browser, query, schema):
    """A hundred at a time, by name or by trouble, and filtered."""
    query("INSERT INTO {s}.queues (name, executor) SELECT 'q-' || n, 'x.Y' FROM generate_series(1000, 1249) AS n")
    found = [(await browser.get(f"/api/queues?by=name&name=q-&page={n}")).json() for n in (1, 2, 3)]
    assert [len(one["queues"]) for one in found] == [100, 100, 50]
    assert found[2]["queues"][-1]["name"] == "q-1249"
    page = (await browser.get("/queues?by=name&name=q-12")).text
    assert "q-1249" in page
    assert "q-1100" not in page
