"""A page that follows what happens exchanges what has changed, and leaves alone what somebody does there just then."""

from __future__ import annotations

from typing import Any

import pytest
from served import Site

from chancy import Job

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def expect() -> Any:
    """Playwright's: waits until something on the page is so."""
    from playwright.async_api import expect as made  # noqa: PLC0415 -- only where it is installed

    made.set_options(timeout=60_000)
    return made


async def test_what_was_selected_typed_and_opened_stays_when_new_jobs_come(site: Site, open_tab, expect):
    """The new ones come above it; the selection is of the jobs that were selected, and so is what is done to it."""
    first = await site.chancy.push(Job("app.first"))
    await site.chancy.push(Job("app.second"))
    tab = await open_tab("jobs")
    await tab.get_by_label(f"Select {first.identifier}").check()
    await tab.locator(".selbar summary").click()
    await tab.get_by_role("textbox", name="Priority").fill("7")
    await tab.locator("h1").click()
    for word in ("third", "fourth"):
        await site.chancy.push(Job(f"app.{word}"))
        await expect(tab.get_by_role("main")).to_contain_text(word)
    await expect(tab.get_by_label(f"Select {first.identifier}")).to_be_checked()
    await expect(tab.locator("tr.sel")).to_have_count(1)
    await expect(tab.locator("[data-picked]")).to_have_text("1 selected")
    await tab.get_by_role("button", name="Those selected…").click()
    await expect(tab.get_by_role("heading", level=1)).to_contain_text("Change 1 job?")
    await expect(tab.get_by_role("main")).to_contain_text("first")


async def test_a_query_completes_itself_with_what_there_is(site: Site, open_tab, expect):
    """By keys alone: what is chosen stands in the query, and the page finds it."""
    await site.chancy.push(Job("app.mail.send_digest"))
    tab = await open_tab("jobs")
    box = tab.get_by_role("combobox", name="Query")
    await box.press_sequentially("fun")
    await expect(tab.get_by_role("option", name="func:")).to_be_visible()
    await box.press("Tab")
    await box.press_sequentially("digest")
    await expect(tab.get_by_role("option", name="func:app.mail.send_digest")).to_be_visible()
    await box.press("ArrowDown")
    await box.press("Enter")
    await expect(box).to_have_value("func:app.mail.send_digest ")
    await box.press("Enter")
    await expect(tab.get_by_role("main")).to_contain_text("1 match")
