"""The relay does what it is told, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from support import until

from chaos.relay import DOWN, UP, Relay


@pytest.fixture
def relay(dsn: str) -> Iterator[Relay]:
    with Relay(dsn) as opened:
        yield opened


async def connect(relay: Relay, name: str = "one") -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(relay.dsn, application_name=name, autocommit=True)


async def value(connection: psycopg.AsyncConnection, query: str) -> object:
    return (await (await connection.execute(query.encode())).fetchone())[0]


async def test_it_passes_what_comes(relay):
    """Untold, it is a wire: large values arrive whole, both ways."""
    async with await connect(relay) as connection:
        text = "x" * 5_000_000
        row = await (await connection.execute("SELECT %s::text || %s", (text, "!"))).fetchone()
        assert row == (text + "!",)
        assert relay.count("one") == 1
    await until(lambda: relay.count() == 0)
    assert relay.opened == ["one"]


async def test_a_stall_holds_back_one_name_and_delivers_later(relay):
    """A stalled connection waits, another goes on; released, the first is answered as if nothing had been."""
    async with await connect(relay) as stalled, await connect(relay, "other") as other:
        assert relay.stall("one") == 1
        asked = asyncio.create_task(value(stalled, "SELECT 1"))
        await until(lambda: relay.held("one", direction=UP))
        assert await value(other, "SELECT 2") == 2
        assert not asked.done()
        assert relay.release("one") > 0
        assert await asked == 1


async def test_a_stalled_answer_has_been_acted_on(relay, dsn, schema):
    """Stalled downwards only, the server does what it is asked, and the program hears nothing of it."""
    async with await connect(relay) as stalled, await psycopg.AsyncConnection.connect(dsn, autocommit=True) as direct:
        await direct.execute(f'CREATE SCHEMA "{schema}"'.encode())
        relay.stall("one", directions=[DOWN])
        asked = asyncio.create_task(stalled.execute(f'CREATE TABLE "{schema}".t ()'.encode()))

        async def made() -> object:
            return await value(direct, f"SELECT to_regclass('\"{schema}\".t') IS NOT NULL")

        await until(made)
        await until(lambda: relay.held("one", direction=DOWN))
        assert not asked.done()
        relay.release("one", deliver=False)
        with pytest.raises(psycopg.OperationalError):
            await asked


async def test_a_stall_holds_for_new_connections_unless_told_otherwise(relay):
    """`new=False` spares those that come later; without it, they hang in their first packet."""
    relay.stall("one", new=False)
    async with await connect(relay) as connection:
        assert await value(connection, "SELECT 1") == 1
    relay.stall("one")
    late = asyncio.create_task(connect(relay))
    await until(lambda: relay.count("one"))
    assert not late.done()
    relay.pass_all()
    async with await late as connection:
        assert await value(connection, "SELECT 1") == 1


@pytest.mark.parametrize("reset", [True, False])
async def test_a_cut_is_seen_by_the_program(relay, reset):
    """A connection that is cut, by either kind of packet, raises; a new one works."""
    async with await connect(relay) as connection:
        assert relay.cut("one", reset=reset) == 1
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
    async with await connect(relay) as connection:
        assert await value(connection, "SELECT 1") == 1


async def test_what_was_held_back_arrives_after_the_program_has_gone(relay, dsn, schema):
    """A statement that is delivered after its sender was cut off is carried out all the same."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as direct:
        await direct.execute(f'CREATE SCHEMA "{schema}"'.encode())
        connection = await connect(relay)
        relay.stall("one", directions=[UP])
        asked = asyncio.create_task(connection.execute(f'CREATE TABLE "{schema}".late ()'.encode()))
        await until(lambda: relay.held("one"))
        relay.cut("one", server=False)
        with pytest.raises(psycopg.OperationalError):
            await asked
        assert not await value(direct, f"SELECT to_regclass('\"{schema}\".late') IS NOT NULL")
        relay.release("one")

        async def made() -> object:
            return await value(direct, f"SELECT to_regclass('\"{schema}\".late') IS NOT NULL")

        await until(made)
        await connection.close()


async def test_it_refuses_and_accepts_again(relay):
    """While it refuses, connecting fails at once; afterwards it works, on the same port."""
    relay.refuse()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        await connect(relay)
    relay.accept()
    async with await connect(relay) as connection:
        assert await value(connection, "SELECT 1") == 1


async def test_a_half_closed_connection_is_seen_as_ended(relay):
    """Told that nothing more comes, the program's next statement raises."""
    async with await connect(relay) as connection:
        assert relay.half_close("one") == 1
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")


async def test_a_delay_is_added_to_each_way(relay):
    """Delayed, an answer takes at least as long as both ways."""
    async with await connect(relay) as connection:
        relay.delay(0.2)
        began = asyncio.get_running_loop().time()
        assert await value(connection, "SELECT 1") == 1
        assert asyncio.get_running_loop().time() - began >= 0.4
