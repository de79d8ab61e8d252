"""The database moves to another server."""

from __future__ import annotations

import asyncio
import signal

from chaos.cluster import Cluster
from chaos.harness import Arena
from chaos.scenario import FAIL_OVER_S, OUTAGE_S, scenario
from chaos.waiting import until


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


@scenario(within_s=FAIL_OVER_S)
async def fail_over_to_the_past(arena: Arena) -> float:
    """A standby is promoted that lacks the last seconds: jobs that were claimed or recorded in them run again."""
    primary = await asyncio.to_thread(arena.cluster, "primary")
    relay = arena.relay(primary.dsn())
    standby = arena.unmade_cluster("standby")
    await asyncio.to_thread(standby.make_standby, primary, source=relay.dsn)
    await arena.database(primary.dsn())
    both = primary.dsn(
        host="127.0.0.1,127.0.0.1", port=f"{primary.port},{standby.port}", target_session_attrs="read-write"
    )
    for _ in range(2):
        await arena.worker(both)
    await arena.push(number=800)
    await arena.under_way(100)
    await until(lambda: _has_caught_up(primary, standby), "the standby has all jobs")
    relay.stall("standby")
    await arena.under_way(100)
    await asyncio.to_thread(primary.kill)
    relay.cut("standby")
    standby.query("SELECT pg_promote()")
    arena.moved_to(standby.dsn())
    return await arena.back()


def _has_caught_up(primary: Cluster, standby: Cluster) -> bool:
    written = primary.query("SELECT pg_current_wal_lsn()")[0][0]
    return bool(standby.query("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written)[0][0])
