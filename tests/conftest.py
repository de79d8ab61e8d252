"""What these tests share, beyond `chancy_core.testing.fixtures`."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import hypothesis
import pytest

from chancy_core.app import Chancy
from chancy_core.worker.signals import put_back

# No deadline for an example: the machine may have other things to do.
hypothesis.settings.register_profile("chancy", deadline=None)
hypothesis.settings.load_profile("chancy")


def pytest_configure() -> None:
    """Keep what was compiled, whatever the image of a container says: child processes would compile it all again."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.fixture(autouse=True, scope="session")
def _no_installed_plugins(no_settings_of_this_machine: None) -> Iterator[None]:
    """Tests see no plugin that happens to be installed; child processes neither."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHANCY_DISCOVER", "false")
        yield


@pytest.fixture
def signals() -> Iterator[None]:
    """Signals are heeded as before when the test has ended."""
    with put_back():
        yield


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
