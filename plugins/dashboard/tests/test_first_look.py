"""Whoever looks first sees a page at once, and what is wrong as soon as that is known."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chancy.plugin import Finding, Severity, Subject
from chancy_dashboard import Dashboard
from chancy_dashboard.pages import home
from chancy_dashboard.reading import parts, snapshots, troubles

# However busy the machine is, whoever waits has not given up by then.
LONG_S = 600.0


def _finding(n: int) -> Finding:
    return Finding(
        id="odd-queue",
        severity=Severity.WARNING,
        subject=Subject("queue", f"q{n}"),
        what=f"The queue q{n} is odd.",
        why="It should be even.",
        fix=f"chancy queue mend q{n}",
    )


@pytest.fixture
def looked(monkeypatch):
    """What is wrong is not known before this event; each look is noted."""
    event = asyncio.Event()

    async def find(chancy: Any, *, within_s: float) -> list[Finding]:
        await event.wait()
        return [_finding(n) for n in range(8)]

    monkeypatch.setattr(troubles, "find_problems", find)
    return event


async def test_the_first_page_does_not_wait_for_slow_checks(browser, looked):
    """It took two seconds to be there. Now it says that it is looking, and asks again by itself without JavaScript."""
    page = await browser.get("/")
    assert page.status_code == 200
    assert "Looking for what is wrong" in page.text
    assert "Nothing is wrong" not in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text


async def test_who_follows_the_first_page_is_told_what_is_wrong_once_it_is_known(browser, looked, monkeypatch, until):
    """Though a page that took long is not looked up again for long."""
    monkeypatch.setattr("chancy_dashboard.reading.snapshots.REST", 1e9)
    dashboard: Dashboard = browser._transport.app
    await browser.get("/")
    (key,) = [key for key in dashboard.views.snapshots._last if key[0] == ""]
    assert dashboard.views.snapshots.last(key).took_s > 0
    looked.set()
    await until(lambda: dashboard.reader.watch.last is not None)

    async def load():
        return "anew"

    assert (await dashboard.views.snapshots.get(key, load, follows=True)).data == "anew"


async def test_what_became_known_while_the_page_was_looked_up_was_not_told(browser, looked, monkeypatch):
    """It said for half a minute that it was looking, though the checks had ended before it was there."""
    asked = asyncio.Event()
    begin = home._troubles
    dashboard: Dashboard = browser._transport.app

    async def soon(visit: Any) -> Any:
        found = await begin(visit)
        asked.set()
        return found

    async def slow(chancy: Any) -> None:
        await asked.wait()
        looked.set()
        await dashboard.reader.watch._asking

    monkeypatch.setattr(home, "PATIENCE_S", 0.0)
    monkeypatch.setattr(parts, "WITHIN_S", LONG_S)
    monkeypatch.setattr(snapshots, "WITHIN_S", LONG_S)
    monkeypatch.setattr(home, "_troubles", soon)
    monkeypatch.setattr(home, "last_hour", slow)
    page = (await browser.get("/")).text
    assert "Looking for what is wrong" not in page
    assert "The queue q0 is odd." in page


async def test_a_program_waits_until_it_is_known_what_is_wrong(browser, looked, monkeypatch):
    """`/api` has every finding, and never none because nobody has looked yet."""
    monkeypatch.setattr(parts, "WITHIN_S", LONG_S)
    monkeypatch.setattr(snapshots, "WITHIN_S", LONG_S)
    asked = asyncio.create_task(browser.get("/api"))
    # The page in between shows that the program's question was not answered with what the page has.
    assert "Looking for what is wrong" in (await browser.get("/")).text
    assert not asked.done()
    looked.set()
    assert len((await asked).json()["findings"]) == 8


async def test_findings_of_one_kind_do_not_bury_the_page(browser, looked):
    """Three hundred queues that nobody serves were a megabyte of page: five are shown, and how many more there are."""
    looked.set()
    page = (await browser.get("/")).text
    while "Looking for what is wrong" in page:
        page = (await browser.get("/")).text
    assert "The queue q4 is odd." in page
    assert "The queue q5 is odd." not in page
    assert "3 more of the same kind" in page
    assert "8 things are wrong" in page


async def test_a_dashboard_that_is_served_looks_before_anybody_asks(chancy, looked, until):
    """The lifespan of its server connects, looks for what is wrong, and reads the templates; its end ends that."""
    dashboard = Dashboard(chancy)
    came: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    life = asyncio.create_task(dashboard({"type": "lifespan"}, came.get, sent.put))
    await came.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    looked.set()
    await until(lambda: dashboard.reader.watch.last is not None and len(dashboard.views._templates.cache) > 0)
    await came.put({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await life
