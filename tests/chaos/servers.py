"""Faults of the whole server: restarts, crashes, read-only phases, fail-over."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress

import psycopg

from chaos.cluster import Cluster
from chaos.harness import Arena, until
from chaos.scenario import FAIL_OVER_S, OUTAGE_S, scenario


async def _own_server(arena: Arena, workers: int = 2, **settings: str) -> Cluster:
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
    server = await _own_server(arena)
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def long_outage(arena: Arena) -> float:
    """The server is away for two leases."""
    server = await _own_server(arena)
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(2 * arena.lease_s)
    await asyncio.to_thread(server.start)
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def crash(arena: Arena) -> float:
    """Every process of the server is killed, and the server started again."""
    server = await _own_server(arena)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def backend_crash(arena: Arena) -> float:
    """One session dies of a signal, and the server ends all others to recover."""
    server = await _own_server(arena)
    victim = server.backends("chancy finish")[0]
    await asyncio.to_thread(_kill_quietly, victim)
    await until(server.answers, "the server has recovered")
    return await arena.back()


def _kill_quietly(pid: int) -> None:
    import os  # noqa: PLC0415

    os.kill(pid, signal.SIGKILL)


@scenario(within_s=OUTAGE_S, lease_s=6)
async def sessions_ended(arena: Arena) -> float:
    """An administrator ends all sessions, again and again."""
    server = await _own_server(arena)
    over = time.monotonic() + 2 * arena.lease_s
    while time.monotonic() < over:
        server.query(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'chancy%'"
        )
        await asyncio.sleep(0.4)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def too_many_connections(arena: Arena) -> float:
    """Others take every connection, and the sessions of the workers are ended, for two leases."""
    server = await _own_server(arena, max_connections="40", superuser_reserved_connections="3")
    server.query("CREATE ROLE greedy LOGIN")
    server.query("CREATE ROLE plain LOGIN SUPERUSER")
    greedy: list[psycopg.Connection] = []
    server.query("ALTER SYSTEM SET superuser_reserved_connections = 0")
    over = time.monotonic() + 2 * arena.lease_s
    try:
        while time.monotonic() < over:
            with suppress(psycopg.OperationalError):
                while True:
                    greedy.append(psycopg.connect(server.dsn(user="greedy", connect_timeout=2)))
            with suppress(psycopg.OperationalError):
                server.query(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'chancy%'"
                )
            await asyncio.sleep(0.2)
    finally:
        for each in greedy:
            each.close()
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6, short=True)
async def read_only(arena: Arena) -> float:
    """The server accepts no writes, for more than a lease."""
    server = await _own_server(arena)
    server.set(default_transaction_read_only="on")
    await asyncio.sleep(1.5 * arena.lease_s)
    server.set(default_transaction_read_only="off")
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def read_only_blinks(arena: Arena) -> float:
    """Twelve times a second of read-only."""
    server = await _own_server(arena)
    for _ in range(12):
        server.set(default_transaction_read_only="on")
        await asyncio.sleep(1)
        server.set(default_transaction_read_only="off")
        await asyncio.sleep(0.5)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def idle_sessions_closed(arena: Arena) -> float:
    """The server closes sessions that are idle for half a second."""
    server = await _own_server(arena)
    server.set(idle_session_timeout="500ms")
    await asyncio.sleep(2 * arena.lease_s)
    return await arena.back()


# -- fail-over -----------------------------------------------------------------------------


async def _pair(arena: Arena) -> tuple[Cluster, Cluster, str]:
    """A primary that waits for its standby at each commit, the standby, and a DSN with both."""
    primary = await asyncio.to_thread(arena.cluster, "primary", {"synchronous_standby_names": "standby"})
    standby = arena.unmade_cluster("standby", {"primary_slot_name": ""})
    await asyncio.to_thread(standby.make_standby, primary)
    await until(
        lambda: primary.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), "the standby follows"
    )
    await arena.database(primary.dsn())
    both = primary.dsn(
        host="127.0.0.1,127.0.0.1", port=f"{primary.port},{standby.port}", target_session_attrs="read-write"
    )
    for _ in range(2):
        await arena.worker(both)
    await arena.push_steadily(both)
    await arena.under_way()
    return primary, standby, both


async def _promoted(arena: Arena, standby: Cluster) -> None:
    standby.set(synchronous_standby_names="")
    standby.query("SELECT pg_promote()")
    arena.moved_to(standby.dsn())


@scenario(within_s=FAIL_OVER_S)
async def fail_over(arena: Arena) -> float:
    """The primary is killed, and after some seconds its synchronous standby promoted."""
    primary, standby, _ = await _pair(arena)
    await asyncio.to_thread(primary.kill)
    await asyncio.sleep(3)
    standby.query("SELECT pg_promote()")
    arena.moved_to(standby.dsn())
    return await arena.back()


@scenario(within_s=FAIL_OVER_S)
async def switch_over(arena: Arena) -> float:
    """The standby is promoted, and the old primary lives on, read-only, with all the sessions of before."""
    primary, standby, _ = await _pair(arena)
    primary.set(default_transaction_read_only="on")
    # Whoever has read what was in force before has ended by then.
    await until(lambda: _is_quiet(primary), "the old primary writes nothing more")
    standby.query("SELECT pg_promote()")
    arena.moved_to(standby.dsn())
    return await arena.back()


def _is_quiet(primary: Cluster) -> bool:
    written, got = primary.query(
        "SELECT pg_current_wal_lsn(), (SELECT replay_lsn FROM pg_stat_replication WHERE application_name = 'standby')"
    )[0]
    busy = primary.query(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'chancy%' AND backend_xid IS NOT NULL"
    )[0][0]
    return bool(written == got and not busy)


@scenario(within_s=OUTAGE_S, lease_s=6)
async def commits_stall(arena: Arena) -> float:
    """The synchronous standby stands still for two leases, so that no commit returns."""
    _, standby, _ = await _pair(arena)
    await asyncio.to_thread(standby.signal_all, signal.SIGSTOP)
    arena.at_the_end(standby.signal_all, signal.SIGCONT)
    await asyncio.sleep(2 * arena.lease_s)
    await asyncio.to_thread(standby.signal_all, signal.SIGCONT)
    return await arena.back()
