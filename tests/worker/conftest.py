"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hard_jobs
import jobs
import pytest
from chaos.relay import Relay
from children import nursery
from ownservers import own_database

from chancy_core.store import weather


@pytest.fixture
def relay(dsn):
    with Relay(dsn) as between:
        yield between


@pytest.fixture
def quick(monkeypatch):
    """Deadlines of three seconds instead of five; a busy machine may need one for a statement."""
    monkeypatch.setattr(weather, "DEADLINE_MIN_S", 3.0)


@pytest.fixture
def new_child(tmp_path, dsn, schema):
    with nursery(tmp_path, dsn, schema) as new:
        yield new


@pytest.fixture
def book(tmp_path) -> Path:
    """Where the runs are written down."""
    path = tmp_path / "ledger"
    path.touch()
    return path


@pytest.fixture
def _fresh() -> Iterator[None]:
    jobs.ran.clear()
    hard_jobs.raised.clear()
    hard_jobs.swallowed.clear()
    hard_jobs.gate.clear()
    hard_jobs.now_running = hard_jobs.most_running = 0
    yield
    hard_jobs.gate.set()


@pytest.fixture
def _gate():
    """Closed until a test opens it."""
    hard_jobs.gate.clear()
    yield
    hard_jobs.gate.set()


@pytest.fixture
def database(dsn: str) -> Iterator[str]:
    """A database of its own: what is done to it, and to the sessions in it, is done to no other test."""
    with own_database(dsn) as made:
        yield made
