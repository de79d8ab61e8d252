"""One real PostgreSQL for the session, and a schema of its own for each test."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chancy import Chancy
from chancy.plugins.leadership import Leadership
from chancy_core import embedded

# Tells the parallel test processes where their common server lives.
SERVER_FOLDER = "PYTEST_CHANCY_LEADERSHIP_SERVER"


def pytest_configure(config: pytest.Config) -> None:
    """Make a folder for the server, which runs under a user of its own when the tests are root's."""
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="chancy-leadership-test-")).resolve()
        folder.chmod(0o755)
        os.environ[SERVER_FOLDER] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder, once the server has stopped."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ.pop(SERVER_FOLDER))
    deadline = time.monotonic() + 20
    while list(folder.rglob("postmaster.pid")) and time.monotonic() < deadline:
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
    """Makes a Chancy for the test's schema, with this plugin, one for each process to be, and those that are given."""

    def new(*plugins: Any, lease_s: float = 15.0, **settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=[Leadership(lease_s=lease_s), *plugins], **settings)

    return new


@pytest.fixture
def migrated(new_chancy: Callable[..., Chancy], schema: str) -> str:
    """The name of a schema that has its tables."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
    return schema


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
            await asyncio.sleep(0.005)

    return wait
