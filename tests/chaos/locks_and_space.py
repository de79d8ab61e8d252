"""What the server cannot for a while: rows and tables that somebody has locked, a full disk, a full queue."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import msgspec
import psycopg

from chaos.cluster import Cluster, needs_root
from chaos.harness import Arena
from chaos.scenario import HUNG_S, OUTAGE_S, scenario
from chaos.waiting import until


async def _in_full_swing(arena: Arena, workers: int = 2) -> None:
    await arena.database()
    for _ in range(workers):
        await arena.worker()
    await arena.push_steadily()
    await arena.under_way()


async def _locked(arena: Arena, table: str) -> float:
    await _in_full_swing(arena)
    with psycopg.connect(arena.dsn) as locker:
        locker.execute(f'LOCK TABLE "{arena.schema}".{table} IN ACCESS EXCLUSIVE MODE'.encode())
        await asyncio.sleep(2 * arena.lease_s)
        locker.rollback()
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def jobs_locked(arena: Arena) -> float:
    """Somebody locks the table of live jobs for two leases."""
    return await _locked(arena, "jobs")


@scenario(within_s=OUTAGE_S, lease_s=6)
async def finished_jobs_locked(arena: Arena) -> float:
    """Somebody locks the table of finished jobs for two leases."""
    return await _locked(arena, "finished_jobs")


@scenario(within_s=OUTAGE_S, lease_s=6)
async def workers_locked(arena: Arena) -> float:
    """Somebody locks the table of workers for two leases, so that nobody can renew."""
    return await _locked(arena, "workers")


@scenario(within_s=OUTAGE_S, lease_s=6)
async def queues_locked(arena: Arena) -> float:
    """Somebody locks the table of queues for two leases."""
    return await _locked(arena, "queues")


@scenario(within_s=OUTAGE_S, lease_s=6)
async def every_table_locked(arena: Arena) -> float:
    """Somebody locks all tables for two leases."""
    rest = ", ".join(f'"{arena.schema}".{table}' for table in ("queues", "jobs", "finished_jobs"))
    return await _locked(arena, f"workers, {rest}")


@scenario(within_s=OUTAGE_S, lease_s=6)
async def own_row_locked(arena: Arena) -> float:
    """Somebody locks the rows of all workers for two leases."""
    await _in_full_swing(arena)
    with psycopg.connect(arena.dsn) as locker:
        locker.execute(f'SELECT FROM "{arena.schema}".workers FOR UPDATE'.encode())
        await asyncio.sleep(2 * arena.lease_s)
        locker.rollback()
    return await arena.back()


@scenario(within_s=HUNG_S, lease_s=6, short=True)
async def one_job_locked(arena: Arena) -> float:
    """Somebody locks the rows of running jobs: all other outcomes are recorded, before he lets go."""
    await _in_full_swing(arena, 1)
    await arena.push(lambda token: arena.job(token, 1.0), number=5)
    with psycopg.connect(arena.dsn) as locker:
        query = f"SELECT id FROM \"{arena.schema}\".jobs WHERE state = 'running' LIMIT 3 FOR UPDATE SKIP LOCKED"

        async def got() -> bool:
            return bool(locker.execute(query.encode()).fetchall())

        await until(got, "a running job to lock")
        took_s = await arena.back()
        await asyncio.sleep(2 * arena.lease_s)
        locker.rollback()
    return took_s


@scenario(lease_s=6)
async def told_to_stop_while_a_job_is_locked(arena: Arena) -> None:
    """Somebody holds a job's row while its worker is told to stop: the other outcomes are recorded, this one later."""
    await _in_full_swing(arena)
    one = arena.workers[0]
    with psycopg.connect(arena.dsn) as locker:
        query = f"SELECT id FROM \"{arena.schema}\".jobs WHERE worker LIKE 'w0.%' LIMIT 1 FOR UPDATE SKIP LOCKED"

        async def got() -> bool:
            return bool(locker.execute(query.encode()).fetchall())

        await until(got, "a running job to lock")
        one.send(15)
        await asyncio.sleep(5)
        locker.rollback()
    code = await one.ended()
    arena.expect(code == 0, f"exit code {code}, not 0")


@scenario(within_s=HUNG_S)
async def unique_key_held(arena: Arena) -> float:
    """An open transaction has pushed a unique key; others push the same, and plain jobs beside it."""
    await _in_full_swing(arena, 1)
    chancy = await arena.chancy()
    job = msgspec.structs.replace(arena.job("held", 0.0), unique_key="held")
    async with await psycopg.AsyncConnection.connect(arena.dsn) as holder:
        await chancy.push("shared", job, connection=holder)
        waiting = asyncio.create_task(chancy.push("shared", job))
        since = time.monotonic()
        await asyncio.sleep(1)
        await asyncio.wait_for(chancy.push("shared", arena.job("plain-beside", 0.0)), HUNG_S * 4)
        took_s = time.monotonic() - since - 1
        await holder.rollback()
    await asyncio.wait([waiting], timeout=30)
    await arena.back()
    return took_s


@scenario(within_s=OUTAGE_S, lease_s=6)
async def impatient_role(arena: Arena) -> float:
    """The role has a statement_timeout and a lock_timeout, and somebody locks rows all the time."""
    server = await asyncio.to_thread(arena.cluster)
    server.query("CREATE ROLE impatient LOGIN SUPERUSER")
    server.query("ALTER ROLE impatient SET statement_timeout = '200ms'")
    server.query("ALTER ROLE impatient SET lock_timeout = '50ms'")
    await arena.database(server.dsn())
    for _ in range(2):
        await arena.worker(server.dsn(user="impatient"))
    await arena.push_steadily(server.dsn(user="impatient"))
    await arena.under_way()
    over = time.monotonic() + 2 * arena.lease_s
    while time.monotonic() < over:
        with psycopg.connect(arena.dsn) as locker:
            locker.execute(f'LOCK TABLE "{arena.schema}".finished_jobs IN ACCESS EXCLUSIVE MODE'.encode())
            await asyncio.sleep(0.7)
        await asyncio.sleep(0.2)
    return await arena.back()


# -- space ---------------------------------------------------------------------------------


def _small_disk(arena: Arena, name: str, megabytes: int, server: Cluster) -> Path:
    """A file system of its own, which is gone with the scenario."""
    place = arena.folder / name
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    arena.at_the_end(_unmount, place)
    os.chown(place, server.account.uid, server.account.gid)
    return place


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=False)


def _fill(place: Path) -> Path:
    """Leave no byte."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


@scenario(within_s=OUTAGE_S, lease_s=6)
async def disk_full(arena: Arena) -> float:
    """The disk of the tables is full for two leases."""
    needs_root()
    server = await asyncio.to_thread(arena.cluster)
    disk = await asyncio.to_thread(_small_disk, arena, "disk", 64, server)
    server.query(f"CREATE TABLESPACE small LOCATION '{disk}'")
    server.query("CREATE DATABASE small TABLESPACE small")
    await arena.database(server.dsn(dbname="small"))
    for _ in range(2):
        await arena.worker()
    # Large results, so that the tables have to grow.
    await arena.push_steadily(job=lambda token: arena.job(token, size=20_000))
    await arena.under_way()
    filler = await asyncio.to_thread(_fill, disk)
    await asyncio.sleep(2 * arena.lease_s)
    await asyncio.to_thread(filler.unlink)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def log_disk_full(arena: Arena) -> float:
    """The disk of the write-ahead log is full: the server stops by itself, and is started when there is room."""
    needs_root()
    server = arena.unmade_cluster("server", {"min_wal_size": "32MB", "max_wal_size": "64MB"})
    disk = await asyncio.to_thread(_small_disk, arena, "log-disk", 160, server)
    await asyncio.to_thread(server.make, f"--waldir={disk}/wal")
    await arena.database(server.dsn())
    for _ in range(2):
        await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    filler = await asyncio.to_thread(_fill, disk)
    over = time.monotonic() + 3 * arena.lease_s
    while server.process is not None and server.process.poll() is None and time.monotonic() < over:
        server_writes(server)
        await asyncio.sleep(0.2)
    await asyncio.to_thread(filler.unlink)
    if not server.answers():
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    return await arena.back()


def server_writes(server: Cluster) -> None:
    """Use up the log, as far as it goes."""
    try:
        server.query("CREATE TABLE IF NOT EXISTS filling (t text)")
        server.query("INSERT INTO filling SELECT repeat(md5(n::text), 100) FROM generate_series(1, 2000) n")
    except psycopg.Error:
        return


@scenario(within_s=OUTAGE_S, lease_s=6)
async def notifications_full(arena: Arena) -> float:
    """A listener sleeps, and the server's queue of notifications is full."""
    server = await asyncio.to_thread(arena.cluster, "server", {"max_notify_queue_pages": "64"})
    await arena.database(server.dsn())
    for _ in range(2):
        await arena.worker()
    pusher = await arena.push_steadily()
    await arena.under_way()
    with psycopg.connect(server.dsn(), autocommit=True) as sleeper:
        sleeper.execute("LISTEN nobody")
        sleeper.execute("BEGIN")
        sleeper.execute("SELECT 1")
        with psycopg.connect(server.dsn(), autocommit=True) as writer:
            try:
                for _ in range(200):
                    writer.execute("SELECT pg_notify('nobody', repeat('x', 7900))")
            except psycopg.errors.ProgramLimitExceeded:
                pass
            else:
                arena.expect(False, "the queue of notifications did not fill up")
        refused = pusher.refused.total()
        took_s = await arena.back()
        await asyncio.sleep(arena.lease_s)
        arena.expect(pusher.refused.total() == refused, f"pushes failed: {dict(pusher.refused)}")
        new = await arena.worker()
        new.send(15)
        since = time.monotonic()
        code = await new.ended()
        arena.expect(code == 0, f"exit code {code}, not 0")
        arena.expect(time.monotonic() - since < 10, "the stop took longer than 10 s")
    return took_s
