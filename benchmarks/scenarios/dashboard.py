"""How long the dashboard's pages take beside a long history, and what a drain notices of ten who look."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
from chancy_dashboard import Dashboard

from benchmarks import draining
from benchmarks.children import child
from benchmarks.dashboard import PLUGINS
from benchmarks.database import Bench
from benchmarks.filling import Size, fill, furnish
from benchmarks.frame import Comparison, Sample, Scenario
from benchmarks.work import plugins
from chancy import Chancy

PAGE_MS = 150.0
PAINT_MS = 500.0
VIEWERS = 10
DRAINED = 20_000
HOST = "http://127.0.0.1"
# What the pages of the shop in the dashboard's own tests are looked at with.
BROWSER = Path(__file__).parents[2] / "plugins" / "dashboard" / "tests" / "browser"
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"

PAGES = {
    "home": "",
    "queues": "queues",
    "a queue": "queues/q3",
    "a queue, 90 days": "queues/q3?range=90d",
    "home, 90 days": "?range=90d",
    "jobs": "jobs",
    "failed jobs": "jobs?q=state:failed",
    "jobs of a queue": "jobs?q=queue:q77",
    "a job": "jobs/{id}",
    "failures": "failures",
    "workers": "workers",
    "schedules": "schedules",
    "database": "database",
    "plugins": "plugins",
    "operations": "operations",
    "audit": "audit",
}


class Looks:
    """What is measured."""

    def __init__(self, bench: Bench, size: Size) -> None:
        self.bench = bench
        self.size = size
        self.chancy: Chancy
        self.beside: Chancy
        self.dashboard: Dashboard
        self.count = 0
        self.stack = AsyncExitStack()

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        async with self.stack:
            loaded = plugins(PLUGINS)
            self.chancy = await self.stack.enter_async_context(self.bench.schema("dashboard", loaded))
            await furnish(self.bench, self.chancy, self.size)
            await fill(self.bench, self.chancy, self.size)
            # What runs in the large tables ends never, and a drain waits for what runs.
            self.beside = await self.stack.enter_async_context(self.bench.schema("dashboard_drain"))
            self.dashboard = Dashboard(self.chancy)
            self.stack.push_async_callback(self.dashboard.close)
            self.paint = await self.stack.enter_async_context(self.browser())
            yield

    async def page(self, path: str) -> Sample:
        """On the server's side: from the request to the page, without a network."""
        middle = await self.bench.one(
            f"SELECT id FROM {self.chancy.settings.schema}.jobs WHERE unique_key = 'live-{self.size.live // 20 * 10}'"
        )
        transport = httpx.ASGITransport(self.dashboard, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
            # Another address each time: what was looked up a moment ago is not looked up again.
            self.count += 1
            address = f"{path}{'&' if '?' in path else '?'}n={self.count}".replace("{id}", str(middle))
            start = time.perf_counter()
            answer = await client.get(f"/{address}")
            took = (time.perf_counter() - start) * 1e3
        if answer.status_code != 200:
            raise RuntimeError(f"{address} was answered with {answer.status_code}: {answer.text[:500]}")
        return {"page_ms": took, "partial": float("Partial." in answer.text), "page_kB": len(answer.content) / 1e3}

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[object]:
        """What opens a page in a browser and says when something was to be seen; None: there is no browser."""
        sys.path.append(str(BROWSER))
        import get_browser  # noqa: PLC0415 -- lies with the dashboard's tests

        if get_browser.missing():
            yield None
            return
        from playwright.async_api import async_playwright  # noqa: PLC0415 -- only where it is installed

        async with async_playwright() as playwright, self.served() as url:
            browser = await playwright.chromium.launch(
                executable_path=get_browser.executable(), args=["--no-sandbox", "--disable-gpu"]
            )

            async def paint(path: str) -> Sample:
                page = await browser.new_page()
                try:
                    self.count += 1
                    await page.goto(f"{url}/{path}?n={self.count}")
                    await page.wait_for_function(f"{PAINTED} !== undefined")
                    return {"paint_ms": float(await page.evaluate(PAINTED))}
                finally:
                    await page.close()

            yield paint
            await browser.close()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The dashboard in a process of its own."""
        async with child("benchmarks.dashboard", self.chancy.dsn, self.chancy.settings.schema) as serving:
            yield f"{HOST}:{await serving.hear()}"

    async def painted(self) -> Sample:
        if self.paint is None:
            return {}
        return await self.paint("")  # type: ignore[operator]

    async def drained(self) -> Sample:
        return await draining.ours(self.bench, self.beside, DRAINED)

    async def drained_beside(self) -> Sample:
        return await draining.ours(self.bench, self.beside, DRAINED, beside=self.viewers)

    @asynccontextmanager
    async def viewers(self) -> AsyncIterator[None]:
        """Ten who have a page of the large tables open, each another one, and follow what happens there."""
        names = list(PAGES.values())[:VIEWERS]
        async with self.served() as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
            tasks = [
                asyncio.create_task(_follow(client, f"live/{name}".rstrip("/"))) for name in names if "{" not in name
            ]
            tasks.append(asyncio.create_task(_follow(client, "live/workers")))
            try:
                await asyncio.sleep(3)
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(client: httpx.AsyncClient, path: str) -> None:
    path, _, query = path.partition("?")
    async with client.stream("GET", f"/{quote(path)}" + (f"?{query}" if query else "")) as answer:
        answer.raise_for_status()
        async for _ in answer.aiter_bytes():
            pass


def scenario(bench: Bench) -> Scenario:
    size = Size(500_000, 50_000, 100, 50) if bench.quick else Size(10_000_000, 1_000_000, 500, 200)
    looks = Looks(bench, size)
    return Scenario(
        name="dashboard",
        how=f"a page of the dashboard, from the request to its last byte, on the server's side, beside {size}; "
        f"{DRAINED:,} jobs are drained while {VIEWERS} look",
        subjects={
            **{what: partial(looks.page, path) for what, path in PAGES.items()},
            "first paint": looks.painted,
            "drain": looks.drained,
            "drain beside viewers": looks.drained_beside,
        },
        comparisons=[
            *(Comparison(f"{what}, ms", what, "home", "page_ms", within=PAGE_MS) for what in PAGES),
            Comparison("first paint in Chromium, ms", "first paint", "first paint", "paint_ms", within=PAINT_MS),
            Comparison(f"drain beside {VIEWERS} who look", "drain beside viewers", "drain", at_least=0.95, paired=True),
        ],
        repeats=6,
        every={"drain": 3, "drain beside viewers": 3},
        around=looks.around(),
    )
