"""One real PostgreSQL for the session, and a schema of its own for each test."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest

from chancy_core import embedded
from chancy_core.app import Chancy
from chancy_core.embedded import watcher

# No deadline for an example: the machine may have other things to do.
hypothesis.settings.register_profile("chancy", deadline=None)
hypothesis.settings.load_profile("chancy")

# Tells the parallel test processes where their common server lives.
SERVER_FOLDER = "PYTEST_CHANCY_SERVER"


def pytest_configure(config: pytest.Config) -> None:
    """Make a folder for the server: not in pytest's own, which is closed to the user that runs root's server."""
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="chancy-test-")).resolve()
        folder.chmod(0o755)
        os.environ[SERVER_FOLDER] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder, once the server has stopped."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ.pop(SERVER_FOLDER))
    # The watcher is the last to go, and makes what it looks for anew.
    locks = [folder / "postgres" / name for name in ("server.lock", "watcher.lock")]
    deadline = time.monotonic() + 20
    while any(lock.exists() and watcher.is_locked(str(lock)) for lock in locks):
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_this_machine() -> Iterator[None]:
    """Tests see no CHANCY_* variable but the one that names their database."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("CHANCY_") and name != "CHANCY_TEST_DSN":
                patch.delenv(name)
        # Nor the plugins that happen to be installed; child processes neither.
        patch.setenv("CHANCY_DISCOVER", "false")
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
    """Makes a Chancy for the test's schema, without any installed plugin."""

    def new(**settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, **settings)

    return new


@pytest.fixture
async def chancy(new_chancy: Callable[..., Chancy]) -> AsyncIterator[Chancy]:
    """An open Chancy whose schema has been migrated."""
    async with new_chancy() as opened:
        await opened.migrate()
        yield opened
