"""What a test has for itself: a database, or a whole server."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from chaos.cluster import Cluster, Skipped, server_programs
from psycopg.conninfo import make_conninfo

from chancy_core.testing.server import new_folder


@contextmanager
def own_database(dsn: str) -> Iterator[str]:
    """A database of its own: what is done to it, and to the sessions in it, is done to no other test."""
    name = f"own_{secrets.token_hex(4)}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield make_conninfo(dsn, dbname=name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def own_server(purpose: str) -> Iterator[Cluster]:
    """A server of its own, for settings that are the whole server's. Where there can be none, the test is skipped."""
    folder = new_folder(f"chancy-{purpose}-")
    try:
        with Cluster(folder / "server", server_programs(folder)) as made:
            yield made.make()
    except Skipped as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
