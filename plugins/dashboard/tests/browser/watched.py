"""A tab of the browser, in which nothing goes wrong unseen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page, Request

Tab = Any
# What comes with the machine's load is no fault: a page is given a minute.
WITHIN_MS = 60_000
# axe-core's rules of the Web Content Accessibility Guidelines, and what it calls good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """async (rules) => (await axe.run(document, {resultTypes: ["violations"], runOnly: rules})).violations.map(
    (one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 150)).join("  ")}`)"""
# What is wider than the window. What scrolls within its panel may be, and what is not to be seen.
WIDE = """() => {
    const width = document.documentElement.clientWidth;
    const found = [...document.querySelectorAll("main *, header *, dialog *")].filter((e) => {
        const box = e.getBoundingClientRect();
        if (!box.width || box.right <= width + 1) return false;
        if (e.closest(".sr, svg, [hidden], [popover]:not(:popover-open)")) return false;
        for (let up = e; up !== document.body; up = up.parentElement)
            if (getComputedStyle(up).overflowX !== "visible" && up.getBoundingClientRect().right <= width + 1)
                return false;
        return true;
    }).map((e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class")}: ${e.textContent.trim().slice(0, 40)}`);
    if (document.documentElement.scrollWidth > width)
        found.unshift(`the page scrolls sideways: ${document.documentElement.scrollWidth} > ${width}`);
    return found.slice(0, 5);
}"""


class Watcher:
    """Hears what the browser complains of.

    Args:
        url: the dashboard, the only place that may be asked for anything.
    """

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.url = url
        self.troubles: list[str] = []
        # Answers that a test wants to see although they are refusals.
        self.expected: set[int] = set()

    @asynccontextmanager
    async def tab(
        self,
        browser: Browser,
        path: str = "",
        *,
        theme: str = "light",
        size: tuple[int, int] = (1440, 900),
        script: bool = True,
        **more: Any,
    ) -> AsyncIterator[Page]:
        """Open a tab at a page."""
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            java_script_enabled=script,
            reduced_motion="reduce",
            **more,
        )
        context.set_default_timeout(WITHIN_MS)
        page = await context.new_page()
        page.watcher = self
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.troubles.append(f"{page.url}: {error}"))
        page.on("request", self._asked)
        page.on("requestfailed", self._failed)
        try:
            await page.goto(f"{self.url}/{path}")
            yield page
        finally:
            await context.close()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        status = re.search(r"the server responded with a status of (\d+)", message.text)
        if status is None or int(status[1]) not in self.expected:
            self.troubles.append(f"{message.location.get('url')}: {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        found = urlsplit(request.url)
        if found.netloc != self.host and found.scheme not in {"data", "blob", "about"}:
            self.troubles.append(f"Another host was asked: {request.url}")

    def _failed(self, request: Request) -> None:
        # Whoever goes on to the next page closes what was still coming.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.troubles.append(f"{request.url}: {request.failure}")


async def inaccessible(page: Page) -> list[str]:
    """What axe-core finds on a page. It comes in by the debugger, so that the page's own rules stay as they are."""
    # All of it in sight: what floats over a long page lies on whatever happens to be there.
    size = page.viewport_size or {"width": 1440, "height": 900}
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    from axe_playwright_python.base import AXE_SCRIPT  # noqa: PLC0415 -- only where it is installed

    await page.evaluate(AXE_SCRIPT)
    found: list[str] = await page.evaluate(AXE, RULES)
    await page.set_viewport_size(size)
    return found


async def too_wide(page: Page) -> list[str]:
    """What does not fit into the window."""
    found: list[str] = await page.evaluate(WIDE)
    return found


async def shoot(page: Page, path: Path, *, full: bool = False) -> None:
    """A picture of a page."""
    await page.screenshot(path=path, full_page=full)
