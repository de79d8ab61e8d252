"""One real PostgreSQL for the session, and a schema of its own for each test."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chancy import Chancy, Tick
from chancy_core import embedded
from chancy_pruner import Pruner

# Tells the parallel test processes where their common server lives.
SERVER_FOLDER = "PYTEST_CHANCY_PRUNER_SERVER"


def pytest_configure(config: pytest.Config) -> None:
    """Make a folder for the server: not in pytest's own, which is closed to the user that runs root's server."""
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="chancy-pruner-test-")).resolve()
        folder.chmod(0o755)
        os.environ[SERVER_FOLDER] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder, once the server has stopped and nothing makes its files anew."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ.pop(SERVER_FOLDER))
    deadline = time.monotonic() + 20
    while (folder / "postgres").exists() and list(folder.rglob("postmaster.pid")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_this_machine() -> Iterator[None]:
    """Tests see no CHANCY_* variable but the one that names their database."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("CHANCY_") and name != "CHANCY_TEST_DSN":
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def dsn() -> Iterator[str]:
    """The database: CHANCY_TEST_DSN, or an embedded server that the parallel test processes share."""
    given = os.environ.get("CHANCY_TEST_DSN")
    if given:
        yield given
        return
    with embedded.acquire(Path(os.environ[SERVER_FOLDER]) / "postgres") as server:
        yield server.dsn


@pytest.fixture
def schema(dsn: str) -> Iterator[str]:
    """The name of a schema that does not exist yet, and is dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'.encode())


@pytest.fixture
def new_chancy(dsn: str, schema: str) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with this plugin and no other."""

    def new(*plugins: Any, **settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=plugins or [Pruner()], **settings)

    return new


@pytest.fixture
async def chancy(new_chancy: Callable[..., Chancy]) -> AsyncIterator[Chancy]:
    """An open Chancy whose schema has been migrated."""
    async with new_chancy() as opened:
        await opened.migrate()
        yield opened


@pytest.fixture
def query(dsn: str, schema: str) -> Callable[..., list[Any]]:
    """Runs a statement on the test's schema, `{s}` in it, and returns its rows."""

    def run(text: str, *params: Any) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(text.replace("{s}", f'"{schema}"').encode(), params)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """Waits until a condition holds, and returns what it returned; fails loudly if it does not."""

    async def wait(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
        deadline = time.monotonic() + within_s
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within_s} s: {condition}")
            await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def tick_of() -> Callable[..., Tick]:
    """Makes what `on_tick` is given, for a Chancy without a worker."""

    def made(chancy: Chancy, **changed: Any) -> Tick:
        tick = Tick(
            now=datetime.now(UTC),
            is_leader=True,
            worker="test",
            schema=chancy.settings.schema,
            push=chancy.push,
            connect=chancy.pool.connection,
        )
        return tick._replace(**changed)

    return made


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
