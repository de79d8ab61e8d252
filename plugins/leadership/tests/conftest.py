"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chancy import Chancy
from chancy.plugins.leadership import Leadership


@pytest.fixture
def new_chancy(dsn: str, schema: str) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with this plugin, one for each process to be, and those that are given."""

    def new(*plugins: Any, lease_s: float = 15.0, interval: float | None = None, **settings: Any) -> Chancy:
        election = Leadership(lease_s=lease_s, interval=interval)
        return Chancy(dsn, schema=schema, discover=False, plugins=[election, *plugins], **settings)

    return new


@pytest.fixture
def migrated(new_chancy: Callable[..., Chancy], schema: str) -> str:
    """The name of a schema that has its tables."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
    return schema
