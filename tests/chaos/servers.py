"""Faults of the whole server: restarts, crashes, read-only phases, fail-over."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress

import psycopg

from chaos.cluster import Cluster
from chaos.harness import Arena
from chaos.scenario import OUTAGE_S, scenario
from chaos.waiting import until


async def own_server(arena: Arena, workers: int = 2, **settings: str) -> Cluster:
    """A server of the scenario's own, workers and pushes; all in full swing."""
    server = await asyncio.to_thread(arena.cluster, "server", settings)
    await arena.database(server.dsn())
    for _ in range(workers):
        await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    return server


@scenario(within_s=OUTAGE_S)
async def restart(arena: Arena) -> float:
    """The server is restarted in good order."""
    server = await own_server(arena)
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def long_outage(arena: Arena) -> float:
    """The server is away for two leases."""
    server = await own_server(arena)
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(2 * arena.lease_s)
    await asyncio.to_thread(server.start)
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def crash(arena: Arena) -> float:
    """Every process of the server is killed, and the server started again."""
    server = await own_server(arena)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def backend_crash(arena: Arena) -> float:
    """One session dies of a signal, and the server ends all others to recover."""
    server = await own_server(arena)
    victim = server.backends("chancy finish")[0]
    os.kill(victim, signal.SIGKILL)
    await until(server.answers, "the server has recovered")
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def sessions_ended(arena: Arena) -> float:
    """An administrator ends all sessions, again and again."""
    server = await own_server(arena)
    over = time.monotonic() + 2 * arena.lease_s
    while time.monotonic() < over:
        server.query(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'chancy%'"
        )
        await asyncio.sleep(0.4)
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def connections_used_up(arena: Arena) -> float:
    """Others take every connection, and the sessions of the workers are ended, for half a lease."""
    server = await own_server(arena, max_connections="40")
    server.query("CREATE ROLE greedy LOGIN")
    greedy: list[psycopg.Connection] = []
    over = time.monotonic() + 0.5 * arena.lease_s
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        while time.monotonic() < over:
            admin.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'chancy%'"
            )
            with suppress(psycopg.OperationalError):
                while True:
                    greedy.append(psycopg.connect(server.dsn(user="greedy", connect_timeout=2)))
            await asyncio.sleep(0.2)
    for each in greedy:
        each.close()
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6, short=True)
async def read_only(arena: Arena) -> float:
    """The server accepts no writes, for more than a lease."""
    server = await own_server(arena)
    server.set(default_transaction_read_only="on")
    await asyncio.sleep(1.5 * arena.lease_s)
    server.set(default_transaction_read_only="off")
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def read_only_blinks(arena: Arena) -> float:
    """Twelve times a second of read-only."""
    server = await own_server(arena)
    for _ in range(12):
        server.set(default_transaction_read_only="on")
        await asyncio.sleep(1)
        server.set(default_transaction_read_only="off")
        await asyncio.sleep(0.5)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def idle_sessions_closed(arena: Arena) -> float:
    """The server closes sessions that are idle for half a second."""
    server = await own_server(arena)
    server.set(idle_session_timeout="500ms")
    await asyncio.sleep(2 * arena.lease_s)
    return await arena.back()
