"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chancy import Chancy
from chancy_history import History


@pytest.fixture
def own_plugins() -> Callable[[], list[Any]]:
    """This plugin, and no other."""
    return lambda: [History(interval=1)]


@pytest.fixture
async def chancy(new_chancy: Callable[..., Chancy]) -> AsyncIterator[Chancy]:
    """An open Chancy whose schema has been migrated."""
    async with new_chancy() as opened:
        await opened.migrate()
        yield opened


@pytest.fixture
def remember(query: Callable[..., list[Any]]) -> Callable[..., None]:
    """Stores a row of a minute, or of an hour, as if it had been counted some seconds ago."""

    def store(
        ago_s: float,
        succeeded: int = 1,
        failed: int = 0,
        *,
        queue: str = "default",
        func: str = "a.b",
        table: str = "minutes",
        bucket: int = 3,
    ) -> None:
        counts = [0] * 18
        counts[bucket] = succeeded + failed
        unit = "minute" if table == "minutes" else "hour"
        query(
            f"INSERT INTO {{s}}.history_{table} VALUES (date_trunc('{unit}', now() - make_interval(secs => %s), 'UTC'),"
            " %s, %s, %s, %s, %s, %s, 0, 0, 0, 1.0, 1.0, %s, %s)",
            ago_s, queue, func, succeeded + failed, succeeded + failed, succeeded, failed, counts, counts,
        )  # fmt: skip

    return store
