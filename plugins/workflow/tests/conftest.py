"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chancy import Chancy
from chancy_workflow import Workflows


@pytest.fixture
def new_chancy(dsn: str, schema: str) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with this plugin and no other."""

    def new(*plugins: Any, **settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=plugins or [Workflows(interval=0.1)], **settings)

    return new


@pytest.fixture
async def chancy(new_chancy: Callable[..., Chancy]) -> AsyncIterator[Chancy]:
    """An open Chancy whose schema has been migrated."""
    async with new_chancy() as opened:
        await opened.migrate()
        yield opened
