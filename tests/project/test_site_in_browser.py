"""The site as a reader sees it: from a folder, in both themes, at every width, with a search that finds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docpages import ROOT
from sites import QUESTIONS, built

# What the dashboard is looked at with.
sys.path.append(str(ROOT / "plugins/dashboard/tests/browser"))
import get_browser
from watched import AXE, RULES, WITHIN_MS

PICTURES_IN = os.environ.get("CHANCY_TEST_PICTURES_OF_SITE")
REQUIRED = os.environ.get("CHANCY_TEST_BROWSER") == "required"
LACKING = get_browser.missing()
pytestmark = pytest.mark.skipif(
    bool(LACKING) and not REQUIRED, reason=f"{LACKING} (`make test` installs it where it may)"
)
# From a folder, axe-core may not load the sheets a second time; the browser has them already.
LOOKED_AT = AXE.replace("{resultTypes", "{preload: false, resultTypes")
# Short ones, because axe-core looks at each element: cards, a task, a program with its output, tables.
PAGES = ("index", "how-to/stop-a-job", "tutorial/1-first-job", "reference/exit-codes")
# The look, the size, and the pages of it: the widest is only for what does not fit.
LOOKS = (("light", (1280, 900), PAGES), ("dark", (380, 800), PAGES), ("light", (2560, 1300), PAGES[:1]))
# Which of the results may be the page that somebody looks for.
AMONG_FIRST = 5


@pytest.fixture
def browser() -> Iterator[Any]:
    """A browser that has no network: pages are opened from a folder."""
    if LACKING:
        pytest.fail(f"CHANCY_TEST_BROWSER is 'required', but {LACKING}.")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 -- only where it is installed

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=get_browser.executable(), args=["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        )


class Tab:
    """A tab, and what the browser complains of in it."""

    def __init__(self, browser: Any, site: Path, theme: str = "light", size: tuple[int, int] = (1280, 900)) -> None:
        self.site = site
        self.troubles: list[str] = []
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, reduced_motion="reduce"
        )
        context.set_default_timeout(WITHIN_MS)
        self.page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(f"{self.page.url}: {error}"))
        self.page.on("request", self._asked)

    def open(self, name: str, query: str = "") -> Any:
        self.page.goto(f"{(self.site / name).as_uri()}.html{query}")
        return self.page

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(f"{self.page.url}: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.troubles.append(f"{self.page.url} asked for {request.url}")


def test_the_site_is_for_everybody(browser: Any) -> None:
    """axe-core finds nothing, nothing comes from elsewhere, and no page scrolls sideways, from 380 to 2,560 pixels."""
    from axe_playwright_python.base import AXE_SCRIPT  # noqa: PLC0415 -- only where it is installed

    site, found = built(), []
    for theme, size, pages in LOOKS:
        tab = Tab(browser, site, theme, size)
        for name in pages:
            page = tab.open(name)
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > size[0]:
                found.append(f"{name} at {size[0]}: it is {width} wide")
            if size[0] < 2000:
                page.evaluate(AXE_SCRIPT)
                found += [f"{name} {theme}: {fault}" for fault in page.evaluate(LOOKED_AT, RULES)]
            if PICTURES_IN:
                page.screenshot(path=f"{PICTURES_IN}/{name.replace('/', '-')}-{theme}-{size[0]}.png")
        found += tab.troubles
    assert not found, "\n".join(found)


def test_the_search_finds_what_was_asked_for(browser: Any) -> None:
    """Each question, in the words of whoever asks, has the page that answers it among its first results."""
    tab = Tab(browser, built())
    missed = {}
    for asked, answer in QUESTIONS.items():
        page = tab.open("search", f"?q={asked.replace(' ', '+')}")
        page.wait_for_selector("#search-results .search li a")
        page.wait_for_function("!document.querySelector('#search-results h2').textContent.includes('Searching')")
        links = page.eval_on_selector_all("#search-results .search li > a", "(all) => all.map((one) => one.href)")
        first = list(dict.fromkeys(link.partition("?")[0].partition("#")[0] for link in links))[:AMONG_FIRST]
        if (built() / f"{answer}.html").as_uri() not in first:
            missed[asked] = first
    assert not missed
    assert not tab.troubles


def test_the_search_finds_what_only_some_words_are_of(browser: Any) -> None:
    """A word that no page has leaves the others their results; only such words find nothing."""
    tab = Tab(browser, built())
    page = tab.open("search", "?q=xyzzy+rate+limit")
    page.wait_for_selector("#search-results .search li a")
    page = tab.open("search", "?q=xyzzy+plugh")
    page.wait_for_function(
        "document.querySelector('#search-results .search-summary').textContent.includes('not match')"
    )
