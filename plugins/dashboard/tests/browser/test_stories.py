"""What people do with a dashboard, from what they see first to what they wanted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from served import Site
from shop import (
    gates,
    import_rows,
    job,
    read,
    send_mail,
    shut,
    working,
)

from chancy import Job, Queue
from chancy.testing import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAN_OUT = 100_000
# On a busy machine all of that takes its time.
FAN_OUT_S = 600
# As a job that pushes one for each line of a file would have left them, in a second.
FANNED_OUT = """
    INSERT INTO {s}.jobs (id, queue, func, state, max_attempts, kwargs)
    SELECT ('0199' || lpad(to_hex(n), 28, '0'))::uuid, 'imports', 'shop.import_rows', 'pending', 1,
           json_build_object('file', 'a.csv', 'part', n)
    FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def expect() -> Any:
    """Playwright's: waits until something on the page is so."""
    from playwright.async_api import expect as made  # noqa: PLC0415 -- only where it is installed

    made.set_options(timeout=60_000)
    return made


async def test_somebody_finds_why_mail_is_late_and_mends_it(site: Site, open_tab, expect):
    """The first page says what is wrong; from there it is two clicks until the mail goes out, and the page says so."""
    shut("mail server", "reports")
    await site.chancy.declare(Queue("mail"))
    await site.chancy.pause_queue("mail")
    await site.chancy.push_many("mail", [job(send_mail, kwargs={"customer": "zenith", "order": n}) for n in range(3)])
    async with working(site.chancy):
        tab = await open_tab()
        await expect(tab.get_by_text("The queue mail is paused")).to_be_visible()
        await tab.get_by_role("main").get_by_role("link", name="mail", exact=True).click()
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("paused")
        await tab.get_by_role("button", name="Resume").click()
        await expect(tab.get_by_role("status").first).to_be_visible()
        await wait_until(lambda: _count(site, "state:succeeded queue:mail", 3))
        await expect(tab.get_by_role("heading", level=1)).not_to_contain_text("paused")
        await tab.get_by_role("link", name="Home", exact=True).click()
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Nothing is wrong")


async def test_somebody_runs_last_nights_failures_of_one_customer_again(site: Site, open_tab, expect):
    """Those and no others, with the number before it happens, and with who did it and why in the audit."""
    shut("mail server")
    await site.chancy.declare(Queue("mail"))
    orders = [("acme", n) for n in range(12)] + [("zenith", 1)]
    await site.chancy.push_many("mail", [job(send_mail, kwargs={"customer": one, "order": n}) for one, n in orders])
    await site.chancy.push("mail", Job("shop.charge", kwargs={"order": 1, "card_number": "4111"}))
    async with working(site.chancy):
        await wait_until(lambda: _count(site, "state:failed", 13))
        await read(site.chancy, "UPDATE {s}.finished_jobs SET finished_at = now() - interval '9 hours'")
        tab = await open_tab("jobs")
        await tab.get_by_role("combobox", name="Query").fill("state:failed kwargs.customer:acme since:1d")
        await tab.keyboard.press("Enter")
        await expect(tab.get_by_role("main")).to_contain_text("12 match")
        gates["mail server"].set()
        await tab.get_by_role("button", name="Retry… all that match").click()
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("Retry 12 jobs?")
        await tab.get_by_label("Reason, for the audit").fill("acme's mail server is back")
        await tab.get_by_role("button", name="Retry 12 jobs").click()
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("done")
        await wait_until(lambda: _count(site, "state:succeeded kwargs.customer:acme", 12))
        assert await _count(site, "state:failed", 1)
        await tab.get_by_role("link", name="Audit", exact=True).click()
        await expect(tab.get_by_role("main")).to_contain_text("acme's mail server is back")


async def test_somebody_cancels_a_runaway_fan_out_and_sees_it_stop(site: Site, open_tab, expect):
    """A hundred thousand, of which one runs: all of them once the number was typed, and the page shows how they end."""
    shut("mail server", "imports")
    await site.chancy.declare(Queue("imports", concurrency=1))
    await site.chancy.declare(Queue("mail"))
    await site.chancy.pause_queue("mail")
    await read(site.chancy, FANNED_OUT, FAN_OUT)
    await site.chancy.push("mail", job(send_mail, kwargs={"customer": "acme", "order": 1}))
    async with working(site.chancy):
        await wait_until(lambda: _count(site, "state:running", 1))
        tab = await open_tab("jobs?q=func:shop.import_rows")
        await tab.get_by_role("button", name="Cancel… all that match").click()
        heading = tab.get_by_role("heading", level=1)
        await expect(heading).to_contain_text(f"Cancel {FAN_OUT:,} jobs?")
        go = tab.get_by_role("button", name=f"Cancel {FAN_OUT:,} jobs")
        await expect(go).to_be_disabled()
        await tab.get_by_label(f"Type {FAN_OUT} to confirm").fill(str(FAN_OUT))
        await tab.get_by_label("Reason, for the audit").fill("the file was imported twice")
        await go.click()
        await expect(heading).not_to_contain_text("?")
        # However far it is by then: the same document tells how it goes on.
        await tab.evaluate("window.sameDocument = true")
        await expect(heading).to_contain_text("done", timeout=FAN_OUT_S * 1000)
        assert await tab.evaluate("window.sameDocument") is True
        await expect(tab.get_by_role("main")).to_contain_text(f"{FAN_OUT:,} of {FAN_OUT:,}", timeout=FAN_OUT_S * 1000)
        await wait_until(lambda: _count(site, "func:shop.import_rows state:live", 0), within_s=FAN_OUT_S)
        assert not gates["imports"].is_set()
    assert await _count(site, "queue:mail state:live", 1)
    notes = await read(site.chancy, "SELECT DISTINCT note FROM {s}.finished_jobs")
    assert all("the file was imported twice" in note for (note,) in notes), notes


async def test_somebody_pauses_a_queue_with_a_reason_for_an_hour(site: Site, open_tab, expect):
    """Everybody sees who, why and until when; the queue resumes by itself."""
    await site.chancy.declare(Queue("mail"))
    tab = await open_tab("queues/mail")
    await tab.get_by_role("button", name="Pause").click()
    await tab.get_by_label("Reason").fill("the relay <smtp-2> is down")
    await tab.get_by_label("Resumes").select_option(label="in 1 h")
    await tab.get_by_role("button", name="Pause mail").click()
    await expect(tab.get_by_role("main")).to_contain_text("the relay <smtp-2> is down")
    other = await open_tab("queues/mail", script=False)
    await expect(other.get_by_role("main")).to_contain_text(re.compile(r"Paused by local .*resumes in (59|60) min"))
    ((left,),) = await read(
        site.chancy, "SELECT extract(epoch FROM resume_at - now())::float FROM {s}.queues WHERE name = 'mail'"
    )
    assert 3000 < left <= 3600


async def test_somebody_follows_a_job_from_its_push_to_its_success(site: Site, open_tab, expect):
    """The form knows the function's arguments, and says what is wrong with one; the page follows without a reload."""
    shut("reports")
    await site.chancy.declare(Queue("reports"))
    async with working(site.chancy):
        tab = await open_tab("push")
        await tab.get_by_label("Its importable name").fill("shop.make_report")
        await tab.get_by_role("button", name="Go on").click()
        await tab.get_by_label("month").fill("2026-11")
        tab.watcher.expected.add(409)
        await tab.get_by_label("Queue").fill("nowhere")
        await tab.get_by_role("button", name="Push", exact=True).click()
        await expect(tab.get_by_role("main")).to_contain_text("nowhere")
        await expect(tab.get_by_label("month")).to_have_value("2026-11")
        await tab.get_by_label("Queue").fill("reports")
        await tab.get_by_role("button", name="Push", exact=True).click()
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("make_report")
        await tab.evaluate("window.sameDocument = true")
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("running")
        await expect(tab.get_by_role("main")).to_contain_text("reading 2026-11")
        gates["reports"].set()
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("succeeded")
        await expect(tab.get_by_role("main")).to_contain_text("4711")
        assert await tab.evaluate("window.sameDocument") is True


async def test_somebody_finds_the_worker_that_runs_old_code(site: Site, open_tab, expect):
    """What it cannot run is on the first page, and on that of the workers with whose it is, and the reason."""
    await site.chancy.push(Job("shop.send_newsletter", queue="default"))
    async with working(site.chancy, name="web-7") as worker:
        status = "SELECT status::text FROM {s}.workers WHERE worker = %s"

        async def told() -> bool:
            found = await read(site.chancy, status, worker.name)
            return bool(found) and "send_newsletter" in (found[0][0] or "")

        await wait_until(told)
        tab = await open_tab("")
        await expect(tab.get_by_role("main")).to_contain_text("shop.send_newsletter")
        await tab.get_by_role("link", name="Workers", exact=True).click()
        await expect(tab.get_by_role("main")).to_contain_text("web-7")
        await expect(tab.get_by_role("row", name="web-7")).to_contain_text("trouble")
        unable = tab.get_by_role("row", name="shop.send_newsletter")
        await expect(unable).to_contain_text("shop has no 'send_newsletter'")
        await expect(unable).to_contain_text("1 of 1")


async def test_somebody_finds_the_worker_of_another_version(site: Site, open_tab, expect):
    """One of three was left out of last night's deployment: home says so, and the workers' page which one it is."""
    deployed = """
        INSERT INTO {s}.workers (worker, tags, lease_until, lease_s)
        SELECT name, ARRAY['hostname=' || name, 'chancy=' || version], now() + interval '1 hour', 3600
        FROM (VALUES ('web-1', '9.1.0'), ('web-2', '9.1.0'), ('web-3', '9.0.4')) AS one (name, version)
        RETURNING 1
    """
    await read(site.chancy, deployed)
    tab = await open_tab("")
    await expect(tab.get_by_role("main")).to_contain_text("9.0.4")
    await tab.get_by_role("link", name="Workers", exact=True).click()
    await expect(tab.get_by_role("main")).to_contain_text("Workers of different versions run: 9.0.4, 9.1.0.")
    rows = tab.get_by_role("region", name="Live workers").get_by_role("row")
    await expect(rows.filter(has_text="older")).to_have_count(1)
    await expect(rows.nth(1)).to_contain_text("web-3")
    await expect(rows.nth(1)).to_contain_text("older 9.0.4")


async def test_somebody_does_all_of_it_without_a_mouse(site: Site, open_tab, expect):
    """From a slash to the job that failed, and its retry: each step by keys, and what has the focus is to be seen."""
    shut("mail server")
    await site.chancy.declare(Queue("mail"))
    await site.chancy.push_many("mail", [job(send_mail, kwargs={"customer": "acme", "order": n}) for n in range(2)])
    async with working(site.chancy):
        await wait_until(lambda: _count(site, "state:failed", 2))
        tab = await open_tab("")
        await tab.keyboard.press("Tab")
        await expect(tab.get_by_role("link", name="Skip to content")).to_be_focused()
        await tab.keyboard.press("/")
        await tab.keyboard.type("state:failed kwargs.order:1")
        await tab.keyboard.press("Enter")
        await expect(tab.get_by_role("main")).to_contain_text("1 match")
        await tab.keyboard.press("j")
        await expect(tab.get_by_role("link", name="shop.send_mail")).to_be_focused()
        await tab.keyboard.press("Enter")
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("send_mail")
        gates["mail server"].set()
        for _ in range(60):
            if await tab.evaluate("document.activeElement.textContent.trim()") == "Retry":
                break
            await tab.keyboard.press("Tab")
            assert await tab.evaluate(FOCUS_SEEN), await tab.evaluate("document.activeElement.outerHTML")
        await tab.keyboard.press("Enter")
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("succeeded")
    assert await _count(site, "state:failed", 1)


# Whether what has the focus shows it, and nothing that floats lies over it.
FOCUS_SEEN = """() => {
    const e = document.activeElement, box = e.getBoundingClientRect(), look = getComputedStyle(e);
    const at = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return look.outlineStyle !== "none" && (e.contains(at) || at?.contains(e) || e.matches("[type=checkbox]"));
}"""


async def test_somebody_does_it_without_javascript(site: Site, open_tab, expect):
    """Finding, selecting, confirming by the number, and progress: pages and forms are enough."""
    await site.chancy.declare(Queue("imports"))
    await site.chancy.push_many("imports", [job(import_rows, kwargs={"file": "a.csv", "part": n}) for n in range(130)])
    tab = await open_tab("jobs", script=False)
    await tab.get_by_role("combobox", name="Query").fill("kwargs.part:7")
    await tab.get_by_role("button", name="Find").click()
    await tab.get_by_role("main").get_by_role("row").get_by_role("checkbox").last.check()
    await tab.get_by_role("button", name="Cancel…", exact=True).click()
    await tab.get_by_role("button", name="Cancel 1 job").click()
    await wait_until(lambda: _count(site, "state:cancelled", 1))
    await tab.goto(f"{site.url}/jobs?q=state:pending")
    await tab.get_by_role("button", name="Cancel… all that match").click()
    await tab.get_by_label("Type 129 to confirm").fill("128")
    tab.watcher.expected.add(409)
    await tab.get_by_role("button", name="Cancel 129 jobs").click()
    await expect(tab.get_by_role("alert")).to_be_visible()
    assert await _count(site, "state:pending", 129)
    await tab.get_by_label("Type 129 to confirm").fill("129")
    await tab.get_by_role("button", name="Cancel 129 jobs").click()
    # The page asks again by itself until it is done.
    await expect(tab.get_by_role("heading", level=1)).to_contain_text("done")
    assert await _count(site, "state:pending", 0)


async def _count(site: Site, query: str, wanted: int) -> bool:
    found = await site.chancy.count_jobs(query)
    return found.value == wanted
