"""A PostgreSQL that goes with what it was started for: a run of tests, or of measurements."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from chancy_core import embedded
from chancy_core.embedded import processes, watcher

STOPS_WITHIN_S: Final = 30
# What PostgreSQL does so that nothing is lost if the machine fails.
FORGETFUL: Final = ("fsync", "full_page_writes")


def new_folder(prefix: str) -> Path:
    """A folder for a server; not in anybody's private one, because root's server runs as another user."""
    folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    folder.chmod(0o755)
    return folder


def server_in(folder: Path) -> embedded.EmbeddedServer:
    """The server of a folder, shared by all who ask for it; it stops after its last user."""
    return embedded.acquire(folder / "postgres")


def hasten(dsn: str) -> None:
    """Let a server forget all when the machine fails: what is on it goes with what it was started for."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in FORGETFUL:
            connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
        connection.execute(b"SELECT pg_reload_conf()")


def remove_folder(folder: Path) -> None:
    """Remove a folder, once its server has stopped."""
    # The watcher is the last to go, and makes what it looks for anew.
    locks = [folder / "postgres" / name for name in ("server.lock", "watcher.lock")]
    deadline = time.monotonic() + STOPS_WITHIN_S
    while any(lock.exists() and watcher.is_locked(str(lock)) for lock in locks):
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def throwaway_server(variable: str, prefix: str) -> Iterator[str]:
    """The DSN that an environment variable names, or that of an embedded server which goes with the block."""
    given = os.environ.get(variable)
    if given:
        yield given
        return
    folder = new_folder(prefix)
    try:
        with server_in(folder) as running:
            yield running.dsn
    finally:
        remove_folder(folder)


@contextmanager
def own_server(folder: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """The DSN of a server in a folder, with variables of its own in its environment; both go with the block."""
    processes.ADDED_VARIABLES.update(variables)
    try:
        with server_in(folder) as running:
            yield running.dsn
    finally:
        for name in variables:
            processes.ADDED_VARIABLES.pop(name, None)
        remove_folder(folder)
