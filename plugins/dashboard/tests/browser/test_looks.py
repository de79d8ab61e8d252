"""Every page, as it looks: in both themes, at every width, with and without JavaScript, for everybody."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from attacking import OURS, looks
from served import Site, plugins, serving
from shop import open_shop
from watched import inaccessible, too_wide

from chancy import Chancy

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(dsn: str) -> AsyncIterator[Site]:
    """The dashboard of a shop, for all tests of this file."""
    schema = f"test_{secrets.token_hex(6)}"

    def query(text: str, *params: Any) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(text.replace("{s}", f'"{schema}"').encode(), params)
            return cursor.fetchall() if cursor.description else []

    async with AsyncExitStack() as stack:
        chancy = await stack.enter_async_context(Chancy(dsn, schema=schema, discover=False, plugins=plugins()))
        await chancy.migrate()
        await stack.enter_async_context(open_shop(chancy))
        site = await stack.enter_async_context(serving(chancy, query))
        await _ask_for_an_operation(site)
        yield site
    query("SET client_min_messages = error; DROP SCHEMA {s} CASCADE")


async def _ask_for_an_operation(site: Site) -> None:
    """As somebody who means to run the failed ones again, and has not confirmed it yet."""
    async with httpx.AsyncClient(base_url=site.url, headers=OURS) as client:
        form = {"scope": "all", "q": "state:failed"}
        assert (await client.post("/do/retry/jobs", params={"q": form["q"]}, data=form)).status_code == 303


@pytest.fixture
def paths(site: Site) -> list[str]:
    """Every page."""
    ((failed,),) = site.query("SELECT id FROM {s}.finished_jobs_v1 WHERE state = 'failed' ORDER BY id LIMIT 1")
    ((operation,),) = site.query("SELECT id FROM {s}.dashboard_operations LIMIT 1")
    values = {"name": "mail", "id": str(failed), "operations/id": str(operation)}
    found = looks(site.dashboard, values, kinds=("",))
    return [path.lstrip("/") for path in found]


# Each theme with one width: what a theme changes are colours, and what a width changes is what stands where.
@pytest.mark.parametrize(
    ("theme", "size"), [("light", (1440, 900)), ("dark", (380, 800))], ids=["light desk", "dark phone"]
)
async def test_every_page_is_for_everybody(open_tab, paths: list[str], theme: str, size: tuple[int, int]):
    """axe-core finds nothing, the browser complains of nothing, and nothing lies outside of the window."""
    tab = await open_tab(theme=theme, size=size)
    found = {}
    for path in paths:
        await tab.goto(f"{tab.watcher.url}/{path}")
        found[path] = [*await inaccessible(tab), *await too_wide(tab)]
    assert not {path: told for path, told in found.items() if told}


async def test_every_page_fits_a_very_wide_screen(open_tab, paths: list[str]):
    """No page scrolls sideways at 2,560 pixels, and nothing lies outside of it."""
    tab = await open_tab(size=(2560, 1440))
    found = {}
    for path in paths:
        await tab.goto(f"{tab.watcher.url}/{path}")
        found[path] = await too_wide(tab)
    assert not {path: told for path, told in found.items() if told}


async def test_every_page_says_the_same_without_javascript(open_tab, paths: list[str]):
    """Nothing that is shown needs a script: the same headings, tables and forms are there."""
    outline = "document.querySelectorAll('main h1, main h2, main form, main table').length"
    tab, plain = await open_tab(), await open_tab(script=False)
    for path in paths:
        await tab.goto(f"{tab.watcher.url}/{path}")
        await plain.goto(f"{tab.watcher.url}/{path}")
        assert await plain.locator("main h1").count() == 1, path
        assert await tab.evaluate(outline) == await plain.locator("main :is(h1, h2, form, table)").count(), path
