"""What these tests share, beyond `chancy.testing`."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chancy import Chancy
from chancy_pruner import Pruner
from chancy_pruner.store import PrunerStore


@pytest.fixture
def own_plugins() -> Callable[[], list[Any]]:
    """This plugin, and no other."""
    return lambda: [Pruner()]


@pytest.fixture
async def chancy(new_chancy: Callable[..., Chancy]) -> AsyncIterator[Chancy]:
    """An open Chancy whose schema has been migrated."""
    async with new_chancy() as opened:
        await opened.migrate()
        yield opened


@pytest.fixture
def finish(query: Callable[..., list[Any]]) -> Callable[..., None]:
    """Stores finished jobs as if they had finished some seconds ago."""

    def store(count: int, ago_s: float, state: str = "succeeded", queue: str = "default", func: str = "a.b") -> None:
        query(
            "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, max_attempts, attempts, claims, "
            "created_at, finished_at, worker, kwargs) SELECT gen_random_uuid(), %s, %s, 0, %s, 1, 1, 1, now(), "
            "now() - make_interval(secs => %s), 'w', '{\"n\": 1}' FROM generate_series(1, %s)",
            queue,
            func,
            state,
            ago_s,
            count,
        )

    return store


@pytest.fixture
def partition(query: Callable[..., list[Any]]) -> Callable[..., str]:
    """Makes a partition of the past, as an earlier round would have."""

    def make(from_ago_s: float, to_ago_s: float, state: str = "succeeded") -> str:
        name = f"finished_{state}_p{secrets.token_hex(4)}"
        ((made,),) = query(
            "SELECT format('CREATE TABLE {s}.%%I PARTITION OF {s}.finished_%s FOR VALUES FROM (%%L) TO (%%L)', "
            "%s::text, now() - make_interval(secs => %s), now() - make_interval(secs => %s))".replace(
                "finished_%s", f"finished_{state}"
            ),
            name,
            from_ago_s,
            to_ago_s,
        )
        query(made.replace("%", "%%"))
        return name

    return make


@pytest.fixture
def rounds(chancy):
    """Runs rounds with these settings, each from a fresh memory."""

    async def run(**settings):
        async with chancy.pool.connection() as connection:
            store = PrunerStore(chancy.settings.schema, connection)
            return await Pruner(**settings).rounds().run(store, budget_s=20)

    return run


@pytest.fixture
def listed(chancy):
    """The range partitions of an outcome."""

    async def run(state="succeeded"):
        async with chancy.pool.connection() as connection:
            found = await PrunerStore(chancy.settings.schema, connection).partitions()
            return [one for one in found if one.state == state and not one.is_default]

    return run
