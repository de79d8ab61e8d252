"""The server is there, and does not let anybody in, or work."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import psycopg

from chaos.harness import Arena
from chaos.scenario import OUTAGE_S, scenario
from chaos.servers import own_server


@scenario(within_s=OUTAGE_S, lease_s=6)
async def server_stands_still(arena: Arena) -> float:
    """Every process of the server stands still for two leases."""
    server = await own_server(arena)
    await asyncio.to_thread(server.signal_all, signal.SIGSTOP)
    arena.at_the_end(server.signal_all, signal.SIGCONT)
    await asyncio.sleep(2 * arena.lease_s)
    await asyncio.to_thread(server.signal_all, signal.SIGCONT)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def no_new_sessions(arena: Arena) -> float:
    """The server's first process stands still, and all sessions are cut: new ones hang before their first byte."""
    server = await asyncio.to_thread(arena.cluster)
    await arena.database(server.dsn())
    relay = arena.relay()
    for _ in range(2):
        await arena.worker(relay.dsn)
    await arena.push_steadily(relay.dsn)
    await arena.under_way()
    first = server.pid
    os.kill(first, signal.SIGSTOP)
    arena.at_the_end(server.signal_all, signal.SIGCONT)
    relay.cut()
    await asyncio.sleep(2 * arena.lease_s)
    os.kill(first, signal.SIGCONT)
    return await arena.back()


async def _shut_out(arena: Arena, shut: str, open_again: str) -> float:
    """The role of everybody is kept out for two leases."""
    server = await asyncio.to_thread(arena.cluster)
    server.query("CREATE ROLE app LOGIN")
    server.query("CREATE DATABASE app OWNER app")
    dsn = await arena.database(server.dsn(user="app", dbname="app"))
    arena.moved_to(server.dsn(dbname="app"))
    for _ in range(2):
        await arena.worker(dsn)
    await arena.push_steadily(dsn)
    await arena.under_way()
    server.query(shut)
    over = time.monotonic() + 2 * arena.lease_s
    while time.monotonic() < over:
        server.query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app'")
        await asyncio.sleep(0.5)
    server.query(open_again)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def too_many_connections(arena: Arena) -> float:
    """The role may have no connection for two leases, and those that it had are ended."""
    return await _shut_out(arena, "ALTER ROLE app CONNECTION LIMIT 0", "ALTER ROLE app CONNECTION LIMIT -1")


@scenario(within_s=OUTAGE_S, lease_s=6)
async def role_may_not_log_in(arena: Arena) -> float:
    """The role loses its right to log in, and its sessions, for two leases."""
    return await _shut_out(arena, "ALTER ROLE app NOLOGIN", "ALTER ROLE app LOGIN")


@scenario(within_s=OUTAGE_S, lease_s=6)
async def database_takes_nobody(arena: Arena) -> float:
    """The database accepts no connections for two leases, and those that it had are ended."""
    return await _shut_out(
        arena, "ALTER DATABASE app ALLOW_CONNECTIONS false", "ALTER DATABASE app ALLOW_CONNECTIONS true"
    )


@scenario(within_s=OUTAGE_S, lease_s=6)
async def statements_cancelled(arena: Arena) -> float:
    """An administrator cancels whatever statement runs, again and again."""
    server = await own_server(arena)
    over = time.monotonic() + 2 * arena.lease_s
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        while time.monotonic() < over:
            admin.execute(
                "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name LIKE 'chancy%' AND state <> 'idle'"
            )
            await asyncio.sleep(0.003)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def serializable_by_default(arena: Arena) -> float:
    """Every transaction is serializable unless it says otherwise."""
    server = await asyncio.to_thread(arena.cluster, "server", {"default_transaction_isolation": "serializable"})
    await arena.database(server.dsn())
    for _ in range(2):
        await arena.worker()
    await arena.push_steadily()
    await arena.under_way(100)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def impatient_server(arena: Arena) -> float:
    """The server ends transactions that are idle for a fifth of a second, and sessions that are idle for half a one."""
    server = await own_server(arena)
    server.set(idle_in_transaction_session_timeout="200ms", idle_session_timeout="500ms", lock_timeout="100ms")
    await asyncio.sleep(2 * arena.lease_s)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def tables_altered(arena: Arena) -> float:
    """Somebody adds columns and indexes to the tables while everything runs: plans that were made have to go."""
    await arena.database()
    for _ in range(2):
        await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    for number in range(6):
        for table in ("jobs", "finished_jobs", "queues", "workers"):
            await arena.rows(f"ALTER TABLE {{s}}.{table} ADD COLUMN extra{number} integer")
        await arena.rows(f"CREATE INDEX ON {{s}}.jobs (extra{number})")
        await asyncio.sleep(1)
    return await arena.back()
