"""A real PostgreSQL for the session, and a schema of its own for each test."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest
from chancy import Chancy
from chancy_core import embedded


@pytest.fixture(scope="session")
def dsn():
    """The database: CHANCY_TEST_DSN, or a private server."""
    given = os.environ.get("CHANCY_TEST_DSN")
    if given:
        yield given
        return
    # Not in pytest's own folder, which is closed to the user under whom the server runs when the tests are root's.
    folder = Path(tempfile.mkdtemp(prefix="acme-chancy-test-"))
    folder.chmod(0o755)
    with embedded.acquire(folder / "postgres") as server:
        yield server.dsn
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def schema(dsn):
    """The name of a schema, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'.encode())


@pytest.fixture
def new_chancy(dsn, schema):
    """Makes a Chancy with these plugins and no others; its schema does not exist yet, so opening it makes it."""

    def new(*plugins):
        return Chancy(dsn, schema=schema, discover=False, plugins=plugins)

    return new


@pytest.fixture
def query(dsn, schema):
    """Runs a statement on the test's schema, `{s}` in it, and returns its rows."""

    def run(text, *params):
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(text.replace("{s}", f'"{schema}"').encode(), params)
            return cursor.fetchall() if cursor.description else []

    return run
