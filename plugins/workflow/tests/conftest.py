"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chancy import Chancy
from chancy_workflow import Workflows


@pytest.fixture
def own_plugins() -> Callable[[], list[Any]]:
    """This plugin, and no other."""
    return lambda: [Workflows(interval=0.1)]


@pytest.fixture
async def chancy(new_chancy: Callable[..., Chancy]) -> AsyncIterator[Chancy]:
    """An open Chancy whose schema has been migrated."""
    async with new_chancy() as opened:
        await opened.migrate()
        yield opened
