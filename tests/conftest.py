"""One real PostgreSQL for the session, and a schema of its own for each test."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chancy_core import embedded
from chancy_core.app import Chancy


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_this_machine() -> Iterator[None]:
    """Tests see no CHANCY_* variable but the one that names their database."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("CHANCY_") and name != "CHANCY_TEST_DSN":
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The database: CHANCY_TEST_DSN, or an embedded server that the parallel test processes share."""
    given = os.environ.get("CHANCY_TEST_DSN")
    if given:
        yield given
        return
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "postgres"
    with embedded.acquire(Path(directory)) as server:
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
