"""Two servers, of which one stops taking changes: an application that names both goes on with the other."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from chaos.relay import Relay
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chancy_core.app import Chancy
from chancy_core.testing.server import new_folder, remove_folder, server_in
from chancy_core.values.job import Job

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


@pytest.fixture(scope="module")
def second() -> Iterator[str]:
    """A server beside that of all tests."""
    folder = new_folder("chancy-second-")
    try:
        with server_in(folder) as server:
            yield server.dsn
    finally:
        remove_folder(folder)


@pytest.fixture
def pair(dsn: str, second: str) -> Iterator[tuple[str, str, str]]:
    """A database of the same name on each of two servers: the first, the second, and both, whichever takes changes."""
    name = f"test_{secrets.token_hex(6)}"
    for each in (dsn, second):
        with psycopg.connect(each, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
    first, other = (make_conninfo(each, dbname=name) for each in (dsn, second))
    with Relay(first) as one, Relay(other) as two:
        both = make_conninfo(
            one.dsn,
            host="127.0.0.1,127.0.0.1",
            port=f"{conninfo_to_dict(one.dsn)['port']},{conninfo_to_dict(two.dsn)['port']}",
            target_session_attrs="read-write",
        )
        yield first, other, both
    for each in (dsn, second):
        with psycopg.connect(each, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def stop_changes(where: str) -> None:
    """From now on, the server takes no changes, as an old primary does that has become a standby."""
    with psycopg.connect(where, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())


async def test_pushes_go_to_the_new_primary(pair):
    """Sessions that stayed on a server which became read-only are left, and the other server gets the job."""
    first, other, both = pair
    async with Chancy(other, discover=False) as second, Chancy(both, discover=False) as chancy:
        await chancy.push(ECHO)
        assert await second.count_jobs() == {}
        async with chancy.pool.connection() as connection:
            stop_changes(first)
            await connection.execute("SET default_transaction_read_only = on")
        await chancy.push(ECHO)
        await chancy.push_many([ECHO])
        assert await second.count_jobs() == {"default": {"pending": 2}}


def test_sync_pushes_go_to_the_new_primary(pair):
    """The same without asyncio."""
    first, other, both = pair
    with Chancy(other, discover=False) as second, Chancy(both, discover=False) as chancy:
        chancy.sync_push(ECHO)
        with chancy.sync_pool.connection() as connection:
            stop_changes(first)
            connection.execute("SET default_transaction_read_only = on")
        chancy.sync_push(ECHO)
        chancy.sync_push_many([ECHO])
        assert second.sync_count_jobs() == {"default": {"pending": 2}}
