"""Pytest fixtures: one real PostgreSQL for a run, and a schema of its own for each test.

To use them: `addopts = "-p chancy_core.testing.fixtures"` in the pytest options of a `pyproject.toml`. The database is
the one that `CHANCY_TEST_DSN` names, or an embedded server that parallel test processes share; it goes with the run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from chancy_core.app import Chancy
from chancy_core.log import NAME
from chancy_core.plugins import Plugin, Tick
from chancy_core.testing.database import TEST_DSN, one_schema, served
from chancy_core.testing.server import new_folder, remove_folder

# Tells the parallel test processes where their common server lives.
SERVER_FOLDER: Final = "PYTEST_CHANCY_SERVER"
# How long a condition is waited for. What holds at all holds within a second or two; a machine that has other things to
# do may need ten times as long, and only a test that fails anyway ever waits to the end.
WITHIN_S: Final = 60.0


def pytest_configure(config: pytest.Config) -> None:
    """Make a folder for the server."""
    config.addinivalue_line(
        "markers", "new_tables: the tables are made for this test, not those of an earlier one, emptied"
    )
    if not hasattr(config, "workerinput"):
        os.environ[SERVER_FOLDER] = str(new_folder("chancy-test-"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder, once the server has stopped."""
    if not hasattr(config, "workerinput"):
        remove_folder(Path(os.environ.pop(SERVER_FOLDER)))


@pytest.fixture(autouse=True, scope="session")
def no_settings_of_this_machine() -> Iterator[None]:
    """Tests see no CHANCY_* variable but the one that names their database."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("CHANCY_") and name != TEST_DSN:
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test changes for its whole process, or a command that it runs in it, is as before for the next one.

    That is what is heard of events, and where functions are imported from.
    """
    logger, root, path = logging.getLogger(NAME), logging.getLogger(), sys.path[:]
    level, parent, propagate, handlers = logger.level, logger.parent, logger.propagate, logger.handlers[:]
    root_level, disabled, root_handlers = root.level, root.manager.disable, root.handlers[:]
    yield
    root.setLevel(root_level)
    logging.disable(disabled)
    root.handlers[:] = root_handlers
    logger.parent, logger.propagate, logger.handlers[:] = parent, propagate, handlers
    # The last: it makes all loggers forget which levels they let pass.
    logger.setLevel(level)
    sys.path[:] = path


@pytest.fixture(scope="session")
def dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """The database: CHANCY_TEST_DSN, or an embedded server that the parallel test processes share."""
    with served(request.config, Path(os.environ[SERVER_FOLDER])) as served_at:
        yield served_at


@pytest.fixture
def schema(request: pytest.FixtureRequest, dsn: str) -> Iterator[str]:
    """The name of a schema that does not exist yet, and is gone afterwards.

    The tables that it gets may be those of an earlier test, emptied, unless the test is marked with `new_tables`.
    """
    with one_schema(request, dsn) as name:
        yield name


@pytest.fixture
def own_plugins() -> Callable[[], Sequence[Plugin]]:
    """Makes the plugins that `new_chancy` adds, anew for each: let one of this name return `lambda: [Mine()]`."""
    return list


@pytest.fixture
def new_chancy(dsn: str, schema: str, own_plugins: Callable[[], Sequence[Plugin]]) -> Callable[..., Chancy]:
    """Makes a Chancy for the test's schema, with these plugins and no others; if none, with those of `own_plugins`."""

    def new(*plugins: Plugin, **settings: Any) -> Chancy:
        return Chancy(dsn, schema=schema, discover=False, plugins=plugins or own_plugins(), **settings)

    return new


@pytest.fixture
def query(dsn: str, schema: str) -> Callable[..., list[Any]]:
    """Runs a statement on the test's schema, `{s}` in it, and returns its rows; a per cent sign is written `%%`."""

    def run(text: str, *params: Any) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(text.replace("{s}", f'"{schema}"').encode(), params)
            return cursor.fetchall() if cursor.description else []

    return run


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
            push_many=chancy.push_many,
            connect=chancy.pool.connection,
        )
        return tick._replace(**changed)

    return made


async def wait_until(condition: Callable[[], Any | Awaitable[Any]], within_s: float = WITHIN_S) -> Any:
    """Wait until a condition holds, and return what it returned; fail loudly if it does not.

    Args:
        condition: what is asked again and again: a function, or a coroutine function.
        within_s: seconds after which it fails.

    Raises:
        AssertionError: the condition did not hold in time.
    """
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


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """The function `wait_until`."""
    return wait_until
