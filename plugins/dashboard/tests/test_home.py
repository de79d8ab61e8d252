"""The first page: what is wrong, then how it goes."""

from __future__ import annotations

from chancy import Job, Queue


async def test_the_first_page_says_what_is_wrong_and_what_to_type(browser, chancy):
    """A paused queue with jobs in it is told there, with its cure; and as JSON."""
    await chancy.declare(Queue("mail"))
    await chancy.pause_queue("mail")
    await chancy.push(Job("app.mail.send", queue="mail"))
    found = (await browser.get("/api")).json()
    assert "queue-paused" in {one["id"] for one in found["findings"]}
    assert found["waiting"] == 1
    page = await browser.get("/")
    assert page.status_code == 200
    assert "queue resume mail" in page.text
