"""Every page, as it looks: in both themes, at every width, with and without JavaScript, for everybody."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from attacking import OURS, looks
from served import Site, plugins, serving
from shop import job, open_shop, read, send_mail
from watched import inaccessible, too_wide

from chancy import Chancy
from chancy.plugins.workflow import Workflow
from chancy.testing import wait_until

PICTURES_IN = Path(os.environ["CHANCY_TEST_PICTURES"]).resolve() if "CHANCY_TEST_PICTURES" in os.environ else None
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(dsn: str) -> AsyncIterator[Site]:
    """The dashboard of a shop, for all tests of this file."""
    # Pictures show its name.
    schema = "shop" if PICTURES_IN else f"test_{secrets.token_hex(6)}"

    def query(text: str, *params: Any) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(text.replace("{s}", f'"{schema}"').encode(), params)
            return cursor.fetchall() if cursor.description else []

    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            # As an operator has it, so that commands on the pages are as short as his.
            patch.setenv("CHANCY_DSN", dsn)
            patch.setenv("CHANCY_SCHEMA", schema)
            chancy = await stack.enter_async_context(Chancy(discover=False, plugins=plugins()))
        await chancy.migrate()
        await stack.enter_async_context(open_shop(chancy))
        site = await stack.enter_async_context(serving(chancy, query))
        await _ask_for_an_operation(site)
        await _push_a_run(site)
        yield site
    query("SET client_min_messages = error; DROP SCHEMA {s} CASCADE")


async def _ask_for_an_operation(site: Site) -> None:
    """As somebody who means to run the failed ones again, and has not confirmed it yet."""
    async with httpx.AsyncClient(base_url=site.url, headers=OURS, timeout=60) as client:
        form = {"scope": "all", "q": "state:failed"}

        async def asked() -> bool:
            # On a busy machine it may say that the database took too long, as it should: one asks once more.
            answer = await client.post("/do/retry/jobs", params={"q": form["q"]}, data=form)
            assert answer.status_code in {303, 409}, answer.text
            return answer.status_code == 303

        await wait_until(asked)


async def _push_a_run(site: Site) -> None:
    """A workflow with a map of which one job fails, and a step that waits for somebody."""
    flow = Workflow("month end")
    mails = flow.map(
        "mails", job(send_mail, kwargs={"order": 1}), over=["zenith", "acme", "orbit"], argument="customer"
    )
    flow.add(
        "report",
        job(send_mail, kwargs={"customer": "orbit", "order": 2}),
        after=flow.wait("approved", after=mails, when="failed"),
    )
    run = await site.chancy.push(flow)

    async def waits() -> bool:
        return (await run.status()).steps["approved"].state == "open"

    await wait_until(waits)


@pytest_asyncio.fixture(loop_scope="session")
async def paths(site: Site) -> list[str]:
    """Every page."""
    # A worker of this loop may hold a lock on a table, such as when the pruner makes a partition: it must go on.
    ((failed,),) = await read(
        site.chancy, "SELECT id FROM {s}.finished_jobs_v1 WHERE state = 'failed' ORDER BY id LIMIT 1"
    )
    ((operation,),) = await read(site.chancy, "SELECT id FROM {s}.dashboard_operations LIMIT 1")
    ((run,),) = await read(site.chancy, "SELECT id FROM {s}.workflow_runs")
    values = {"name": "mail", "id": str(failed), "operations/id": str(operation), "workflows/id": str(run)}
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


# What the documentation shows: which page, in which theme, and as what.
PICTURES = [
    ("", "light", "dashboard-home"),
    ("", "dark", "dashboard-home-dark"),
    ("jobs/", "light", "dashboard-job"),
    ("queues/", "dark", "dashboard-queue-dark"),
    ("failures", "light", "dashboard-failures"),
]
PICTURE_MAX_BYTES = 150_000


async def test_pictures_for_the_documentation(open_tab, paths: list[str], tmp_path: Path):
    """They are taken of what is there, and are small; `CHANCY_TEST_PICTURES=docs/images` keeps them."""
    for begin, theme, name in PICTURES:
        tab = await open_tab(theme=theme, size=(1280, 800))
        path = next(path for path in paths if (path.startswith(begin) if begin else path == ""))
        await tab.goto(f"{tab.watcher.url}/{path}")
        picture = (PICTURES_IN or tmp_path) / f"{name}.png"
        await tab.screenshot(path=picture)
        assert 10_000 < picture.stat().st_size <= PICTURE_MAX_BYTES


async def test_every_page_says_the_same_without_javascript(open_tab, paths: list[str]):
    """Nothing that is shown needs a script: the same headings, tables and forms are there."""
    outline = "document.querySelectorAll('main h1, main h2, main form, main table').length"
    tab, plain = await open_tab(), await open_tab(script=False)
    for path in paths:
        await tab.goto(f"{tab.watcher.url}/{path}")
        await plain.goto(f"{tab.watcher.url}/{path}")
        assert await plain.locator("main h1").count() == 1, path
        assert await tab.evaluate(outline) == await plain.locator("main :is(h1, h2, form, table)").count(), path
