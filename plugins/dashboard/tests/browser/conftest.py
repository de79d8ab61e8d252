"""A browser, and a dashboard that it looks at: real jobs, real workers, a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import get_browser
import pytest
import pytest_asyncio
from served import Site, plugins, serving
from watched import Tab, Watcher

from chancy import Chancy

if TYPE_CHECKING:
    from playwright.async_api import Browser

HERE = Path(__file__).parent
# Where they may not be skipped, such as in continuous integration. Read before the tests' own environment is made.
REQUIRED = os.environ.get("CHANCY_TEST_BROWSER") == "required"
# A renderer may not sandbox itself where root starts it; and nothing of the machine's screen is asked for.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them go to one process, so that there is one browser; each is skipped by its name where there is none."""
    ours = [item for item in items if HERE in item.path.parents]
    lacking = get_browser.missing()
    for item in ours:
        item.add_marker(pytest.mark.xdist_group("browser"))
        if lacking and not REQUIRED:
            item.add_marker(pytest.mark.skip(f"{lacking} (`make test` installs it where it may)"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser, for all tests."""
    if lacking := get_browser.missing():
        pytest.fail(f"CHANCY_TEST_BROWSER is 'required', but {lacking}.")
    from playwright.async_api import async_playwright  # noqa: PLC0415 -- only where it is installed

    async with async_playwright() as playwright:
        program = get_browser.executable()
        yield await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)


@pytest.fixture
def new_chancy(dsn: str, schema: str) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with everything that comes with it installed."""

    def new(**settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=plugins(), **settings)

    return new


@pytest_asyncio.fixture(loop_scope="session")
async def site(new_chancy: Callable[..., Chancy], query: Callable[..., list[Any]]) -> AsyncIterator[Site]:
    """A dashboard of an empty schema, on a free port."""
    async with new_chancy() as chancy, AsyncExitStack() as stack:
        await chancy.migrate()
        yield await stack.enter_async_context(serving(chancy, query))


@pytest_asyncio.fixture(loop_scope="session")
async def open_tab(chromium: Browser, site: Site) -> AsyncIterator[Callable[..., Any]]:
    """Opens tabs of the dashboard; afterwards none of them may have complained, or asked another host for anything."""
    watchers: list[Watcher] = []
    async with AsyncExitStack() as stack:

        async def opened(path: str = "", **looks: Any) -> Tab:
            watcher = Watcher(site.url)
            watchers.append(watcher)
            return await stack.enter_async_context(watcher.tab(chromium, path, **looks))

        yield opened
    troubles = [trouble for watcher in watchers for trouble in watcher.troubles]
    assert not troubles, "\n".join(troubles)
