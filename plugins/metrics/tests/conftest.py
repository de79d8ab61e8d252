"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from chancy import Chancy
from chancy.plugins.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    """The plugin, on a free port, looking at the database as often as it may."""
    return Metrics(port=0, interval=1)


@pytest.fixture
async def chancy(new_chancy: Callable[..., Chancy], metrics: Metrics) -> AsyncIterator[Chancy]:
    """An open Chancy with the plugin."""
    async with new_chancy(metrics) as opened:
        yield opened
