"""Unique keys that somebody holds: they hold up their own pushes only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import psycopg
import pytest
from far import ECHO

from chancy_core.app import Chancy, held
from chancy_core.app.operations import pushes
from chancy_core.errors import ChancyError
from chancy_core.store import tries


@pytest.fixture
def holding(
    new_chancy: Callable[..., Chancy], dsn: str, chancy: Chancy
) -> Iterator[Callable[[str], psycopg.Connection]]:
    """Pushes a job with a unique key in a transaction that stays open."""
    with new_chancy() as other, psycopg.connect(dsn, application_name="the holder") as connection:

        def hold(key: str) -> psycopg.Connection:
            other.sync_push(ECHO.with_unique_key(key), connection=connection)
            return connection

        yield hold


async def test_a_held_unique_key_holds_up_its_own_pushes_only(chancy, holding):
    """While a transaction holds a key, plain pushes and those of other keys go through; the key's follow its end."""
    holder = holding("k")
    blocked = [asyncio.create_task(chancy.push(ECHO.with_unique_key("k"))) for _ in range(3)]
    others = [chancy.push(ECHO.with_unique_key(f"k{number}")) for number in range(20)]
    async with asyncio.timeout(60):
        await asyncio.gather(*others, *(chancy.push(ECHO) for _ in range(20)))
    assert not any(push.done() for push in blocked)
    holder.rollback()
    references = await asyncio.gather(*blocked)
    assert len({*references}) == 1
    assert [reference.created for reference in references].count(True) == 1


async def test_a_key_whose_holder_commits_is_taken(chancy, holding, until):
    """A push that waited for a transaction which commits returns the job that holds the key."""
    holder = holding("k")
    push = asyncio.create_task(chancy.push(ECHO.with_unique_key("k")))
    await until(chancy.connections.here.pusher._held.tasks)
    holder.commit()
    assert not (await push).created


async def test_a_key_that_stays_held_is_refused_with_its_holder(chancy, holding, monkeypatch):
    """In the end a push that waits for a key is told which key, and whose transaction holds it."""
    monkeypatch.setattr(held, "AGAIN_S", 1.0)
    holding("k")
    with pytest.raises(ChancyError, match=r"'k'.*the holder.*idle in transaction"):
        await chancy.push(ECHO.with_unique_key("k"))
    await chancy.push(ECHO.with_unique_key("other"))


def test_a_sync_push_of_a_held_key_is_refused_with_its_holder(new_chancy, dsn, monkeypatch):
    """The same without asyncio."""
    monkeypatch.setattr(pushes, "PATIENCE_MS", 100)
    monkeypatch.setattr(tries, "AGAIN_S", 1.0)
    with new_chancy() as chancy, psycopg.connect(dsn, application_name="the holder") as connection:
        chancy.sync_push(ECHO.with_unique_key("k"), connection=connection)
        with pytest.raises(ChancyError, match=r"'k'.*the holder.*idle in transaction"):
            chancy.sync_push(ECHO.with_unique_key("k"))
        connection.rollback()
        assert chancy.sync_push(ECHO.with_unique_key("k")).created


async def test_a_bulk_push_of_a_held_key_is_refused_with_its_holder(chancy, holding, monkeypatch):
    """A bulk push that meets a held key stores nothing, and says whose transaction it is."""
    monkeypatch.setattr(pushes, "MANY_PATIENCE_MS", 1500)
    holding("k")
    with pytest.raises(ChancyError, match="the holder"):
        await chancy.push_many([ECHO, ECHO.with_unique_key("k")])
    assert await chancy.count_jobs() == {}
