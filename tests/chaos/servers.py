"""Faults of the whole server: restarts, crashes, read-only phases, fail-over."""

from __future__ import annotations

import asyncio
import os
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
    os.kill(victim, signal.SIGKILL)
    await until(server.answers, "the server has recovered")
    return await arena.back()


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


@scenario(within_s=OUTAGE_S)
async def connections_used_up(arena: Arena) -> float:
    """Others take every connection, and the sessions of the workers are ended, for half a lease."""
    server = await _own_server(arena, max_connections="40")
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


async def _primary_and_standby(arena: Arena) -> tuple[Cluster, Cluster]:
    """A primary that waits for its standby at each commit, and the standby."""
    primary = await asyncio.to_thread(arena.cluster, "primary", {"synchronous_standby_names": "standby"})
    standby = arena.unmade_cluster("standby", {"primary_slot_name": ""})
    await asyncio.to_thread(standby.make_standby, primary)
    await until(
        lambda: primary.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), "the standby follows"
    )
    return primary, standby


async def _pair(arena: Arena) -> tuple[Cluster, Cluster, str]:
    """The two, a DSN with both, and workers and pushes that use it; all in full swing."""
    primary, standby = await _primary_and_standby(arena)
    await arena.database(primary.dsn())
    both = primary.dsn(
        host="127.0.0.1,127.0.0.1", port=f"{primary.port},{standby.port}", target_session_attrs="read-write"
    )
    for _ in range(2):
        await arena.worker(both)
    await arena.push_steadily(both)
    await arena.under_way()
    return primary, standby, both


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


@scenario(within_s=FAIL_OVER_S)
async def address_moves(arena: Arena) -> float:
    """The primary lives on, read-only, and the only address that everybody knows leads to the new primary."""
    primary, standby = await _primary_and_standby(arena)
    await arena.database(primary.dsn())
    relay = arena.relay()
    for _ in range(2):
        await arena.worker(relay.dsn)
    await arena.push_steadily(relay.dsn)
    await arena.under_way()
    primary.set(default_transaction_read_only="on")
    await until(lambda: _is_quiet(primary), "the old primary writes nothing more")
    standby.query("SELECT pg_promote()")
    relay.lead_to(standby.dsn())
    arena.moved_to(standby.dsn())
    return await arena.back()


# -- the server is there, and does not let anybody in --------------------------------------


@scenario(within_s=OUTAGE_S, lease_s=6)
async def server_stands_still(arena: Arena) -> float:
    """Every process of the server stands still for two leases."""
    server = await _own_server(arena)
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
    server = await _own_server(arena)
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
    server = await _own_server(arena)
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
