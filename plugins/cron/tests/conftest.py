"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from chancy import Chancy
from chancy_cron import Cron


@pytest.fixture
def own_plugins() -> Callable[[], list[Any]]:
    """This plugin, and no other."""
    return lambda: [Cron()]


@pytest.fixture
async def chancy(new_chancy: Callable[..., Chancy]) -> AsyncIterator[Chancy]:
    """An open Chancy whose schema has been migrated."""
    async with new_chancy() as opened:
        yield opened


@pytest.fixture
def make_due(query: Callable[..., list[Any]]) -> Callable[..., datetime]:
    """Sets back the next time of a schedule, as if nobody had run since; returns it."""

    def back(name: str, seconds: float) -> datetime:
        ((moment,),) = query(
            "UPDATE {s}.cron_schedules SET next_at = date_trunc('minute', now()) - make_interval(secs => %s), "
            "wake_at = now() WHERE name = %s RETURNING next_at",
            seconds,
            name,
        )
        return moment.astimezone(UTC)

    return back
