"""One real PostgreSQL for a run of tests, and a schema of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from chancy_core.app import schema as app_schema
from chancy_core.testing.server import hasten, server_in
from chancy_core.testing.spares import Spares, new_name

TEST_DSN: Final = "CHANCY_TEST_DSN"
# What tests of this process leave to those after them.
SPARES: Final = pytest.StashKey[Spares]()


@contextmanager
def served(config: pytest.Config, folder: Path) -> Iterator[str]:
    """The DSN of the database: CHANCY_TEST_DSN, or that of an embedded server in a folder, shared by all who ask."""
    given = os.environ.get(TEST_DSN)
    with ExitStack() as stack:
        if given is None:
            given = stack.enter_context(server_in(folder)).dsn
            hasten(given)
        spares = config.stash[SPARES] = Spares(given)
        stack.callback(spares.drop)
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(app_schema, "migrate", spares.migrate)
        yield given


@contextmanager
def one_schema(request: pytest.FixtureRequest, dsn: str) -> Iterator[str]:
    """The name of a schema that does not exist yet, and is gone afterwards.

    The tables that it gets may be those of an earlier test, emptied, unless the test is marked with `new_tables`.
    """
    name = new_name()
    spares = request.config.stash.get(SPARES, None)
    if spares is None or spares.dsn != dsn:
        # Tests may have a database of their own.
        spares = request.config.stash[SPARES] = Spares(dsn)
    if request.node.get_closest_marker("new_tables") is None:
        spares.expect(name)
    yield name
    spares.end(name)
