"""What these tests share: a dashboard, and a browser's requests without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from chancy import Chancy
from chancy_dashboard import Access, Dashboard, DashboardPlugin

SAME = {"sec-fetch-site": "same-origin"}
# What a page leaves out rather than wait for it longer, and says so; in seconds, each within those below it.
PATIENCE = {
    "chancy_dashboard.reading.counting.WITHIN_S": 5.0,
    "chancy_dashboard.pages.jobs.WITHIN_S": 10.0,
    "chancy_dashboard.pages.failures.WITHIN_S": 10.0,
    "chancy_dashboard.pages.home.FAILING_WITHIN_S": 10.0,
    "chancy_dashboard.pages.complete.WITHIN_S": 10.0,
    "chancy_dashboard.pages.operations.WITHIN_S": 10.0,
    "chancy_dashboard.acting.operations.operator.COUNTED_WITHIN_S": 10.0,
    "chancy_dashboard.reading.columns.WITHIN_S": 10.0,
    "chancy_dashboard.reading.connections.STATEMENT_TIMEOUT_S": 20.0,
    "chancy_dashboard.reading.connections.SERVER_WITHIN_S": 20.0,
    "chancy_dashboard.reading.troubles.WITHIN_S": 30.0,
    "chancy_doctor.panel.WITHIN_S": 30.0,
    "chancy_dashboard.answering.views.PANEL_WITHIN_S": 40.0,
    "chancy_dashboard.reading.parts.WITHIN_S": 40.0,
    "chancy_dashboard.reading.snapshots.WITHIN_S": 50.0,
}


@pytest.fixture(autouse=True, scope="session")
def patience() -> Iterator[None]:
    """The machine of the tests may be busy with others: what a page has no time for is none of their business.

    Tests of what is left out set a time of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        for place, seconds in PATIENCE.items():
            patch.setattr(place, seconds)
        yield


@pytest.fixture
async def chancy(dsn: str, schema: str) -> AsyncIterator[Chancy]:
    """An open Chancy with every installed plugin, whose schema has been migrated."""
    async with Chancy(dsn, schema=schema) as opened:
        yield opened


@pytest.fixture
def new_chancy(dsn: str, schema: str) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with this plugin and no other."""

    def new(*plugins: Any, **settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=plugins or [DashboardPlugin()], **settings)

    return new


@pytest.fixture
async def serve(chancy: Chancy) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Makes a dashboard, and a client that asks it as `Access("ada", "*")` does: `client = serve(read_only=True)`."""
    async with AsyncExitStack() as stack:

        def make(
            of: Chancy | None = None, *, client: tuple[str, int] = ("127.0.0.1", 1), base: str = "", **options: Any
        ) -> httpx.AsyncClient:
            options.setdefault("authorize", lambda request: Access("ada", "*"))
            dashboard = Dashboard(of or chancy, **options)
            stack.push_async_callback(dashboard.close)
            transport = httpx.ASGITransport(dashboard, client=client, root_path=base)
            made = httpx.AsyncClient(transport=transport, base_url=f"http://localhost{base}", headers=SAME)
            stack.push_async_callback(made.aclose)
            return made

        yield make


@pytest.fixture
def browser(serve: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """Somebody who may do everything."""
    return serve()
