"""The pytest plugin that loads by itself where Chancy is installed: fixtures, whose names begin with `chancy_`.

Whoever uses none of them pays for this file alone: nothing else of Chancy is imported, nothing is started, and no
setting is read. `-p chancy.testing` brings more, for those who test plugins.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from chancy_core.app import Chancy
    from chancy_core.testing.asyncjobs import AsyncJobs
    from chancy_core.testing.home import Home
    from chancy_core.testing.jobs import Jobs

# Tells the parallel test processes where their common server may live. Nobody has made the folder before one needs it.
_SERVER_FOLDER: Final = "PYTEST_CHANCY_SERVER"
_FOLDER: Final = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Think of a folder for the server, should there be one."""
    if not hasattr(config, "workerinput") and _SERVER_FOLDER not in os.environ:
        folder = f"{tempfile.gettempdir()}/chancy-test-{uuid.uuid4().hex[:12]}"
        os.environ[_SERVER_FOLDER] = config.stash[_FOLDER] = folder


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder, if there is one, once the server has stopped."""
    folder = config.stash.get(_FOLDER, None)
    if folder is None:
        return
    if os.environ.get(_SERVER_FOLDER) == folder:
        del os.environ[_SERVER_FOLDER]
    if Path(folder).exists():
        from chancy_core.testing.server import remove_folder  # noqa: PLC0415 -- for those who had a server

        remove_folder(Path(folder))


@pytest.fixture(scope="session")
def chancy_dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """The database for tests: the one that CHANCY_TEST_DSN names, or an embedded server that goes with the run.

    Parallel test processes share it.
    """
    from chancy_core.testing.database import served  # noqa: PLC0415 -- for those who use it

    folder = Path(os.environ[_SERVER_FOLDER])
    with suppress(FileExistsError):
        # Root's server runs as another user.
        folder.mkdir(mode=0o755)
    with served(request.config, folder) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def _chancy_home(chancy_dsn: str) -> Iterator[Home]:
    from chancy_core.testing.home import Home  # noqa: PLC0415 -- for those who use it

    home = Home(chancy_dsn)
    yield home
    home.end()


@pytest.fixture
def chancy_app(_chancy_home: Home) -> Iterator[Chancy]:
    """The Chancy whose jobs are tested. Let a fixture of this name return your application's own.

    This one has the plugins that are installed, and a schema of its own in each test process. A test finds it clean:
    what the one before has left in it, because it was committed, is gone.
    """
    yield _chancy_home.chancy()
    _chancy_home.tidy()


@pytest.fixture
def chancy_schema(chancy_app: Chancy) -> str:
    """The name of the schema of `chancy_app`."""
    return chancy_app.settings.schema


@pytest.fixture
def chancy_connection() -> Any:
    """The connection of the test, on which its jobs are pushed and run. Let a fixture of this name return your own.

    By default each test has one made for it, in a transaction that is rolled back.
    """
    from chancy_core.app.handed import OWN  # noqa: PLC0415 -- for those who use it

    return OWN


@pytest.fixture
def chancy_jobs(chancy_app: Chancy, chancy_connection: Any) -> Iterator[Jobs]:
    """The jobs of this test: `chancy_jobs.assert_pushed(…)`, `chancy_jobs.drain()`. See `Jobs`."""
    from chancy_core.testing.jobs import Jobs  # noqa: PLC0415 -- for those who use it

    with Jobs(chancy_app, chancy_connection) as jobs:
        yield jobs


@pytest.fixture
def chancy_async_jobs(chancy_app: Chancy, chancy_connection: Any) -> AsyncJobs:
    """The jobs of this test, with asyncio: `async with chancy_async_jobs as jobs: await jobs.drain()`.

    The block is the test's own, so that it does not matter which plugin runs the event loop.
    """
    from chancy_core.testing.asyncjobs import AsyncJobs  # noqa: PLC0415 -- for those who use it

    return AsyncJobs(chancy_app, chancy_connection)
