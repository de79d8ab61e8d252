"""Clocks that are wrong: the database's is set back or forward, a worker's is another day."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from chaos.cluster import Cluster, Skipped
from chaos.harness import Arena
from chaos.scenario import HUNG_S, KILLED_S, OUTAGE_S, scenario
from chaos.workers import until_taken_over

HOUR = 3600


def _library() -> Path:
    """The library that tells a program other times."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")) or sorted(
        Path("/usr/lib").glob("faketime/libfaketime.so.1")
    )
    if not found:
        raise Skipped("faketime is not installed")
    return found[0]


def told_by(offset: Path) -> dict[str, str]:
    """Variables for a process whose clock is as wrong as a file says."""
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def set_offset(offset: Path, seconds: int) -> None:
    """Say in that file how wrong it is."""
    new = offset.with_suffix(".new")
    new.write_text(f"{seconds:+d}\n")
    new.chmod(0o644)
    new.rename(offset)


async def server_with_a_clock(arena: Arena) -> tuple[Cluster, Path]:
    """A running server, used by the arena, and the file that says how wrong its clock is."""
    offset = arena.folder / "offset"
    set_offset(offset, 0)
    server = await asyncio.to_thread(arena.cluster, "server", None, environ=told_by(offset))
    await arena.database(server.dsn())
    return server, offset


async def _in_full_swing(arena: Arena) -> tuple[Cluster, Path]:
    server, offset = await server_with_a_clock(arena)
    for _ in range(2):
        await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    return server, offset


def set_clock(arena: Arena, server: Cluster, offset: Path, seconds: int) -> None:
    """Set the server's clock, and make sure that it believes it."""
    set_offset(offset, seconds)
    now = float(server.query("SELECT extract(epoch FROM clock_timestamp())")[0][0])
    arena.expect(abs(now - time.time() - seconds) < 60, f"the server's clock is {now - time.time():+.0f} s off")


@scenario(within_s=OUTAGE_S)
async def clock_set_back(arena: Arena) -> float:
    """The database's clock is set back by an hour."""
    server, offset = await _in_full_swing(arena)
    set_clock(arena, server, offset, -HOUR)
    return await arena.back()


@scenario(within_s=KILLED_S)
async def clock_set_back_and_a_worker_killed(arena: Arena) -> float:
    """The database's clock is set back by an hour, and then a worker is killed: others take over what it held."""
    server, offset = await _in_full_swing(arena)
    set_clock(arena, server, offset, -HOUR)
    return await _one_killed(arena)


async def _one_killed(arena: Arena) -> float:
    victim, other = arena.workers
    victim.written_off = True
    victim.process.kill()
    since = time.monotonic()
    await until_taken_over(arena, victim)
    return await arena.back(other, since=since)


@scenario(within_s=KILLED_S)
async def worker_killed_and_clock_set_back(arena: Arena) -> float:
    """A worker is killed, and then the database's clock is set back by an hour: its lease must not last an hour."""
    server, offset = await _in_full_swing(arena)
    victim, other = arena.workers
    victim.written_off = True
    victim.process.kill()
    since = time.monotonic()
    set_clock(arena, server, offset, -HOUR)
    await until_taken_over(arena, victim)
    return await arena.back(other, since=since)


@scenario(within_s=HUNG_S)
async def clock_set_forward(arena: Arena) -> float:
    """The database's clock is set forward by an hour: no run of a living worker is lost."""
    server, offset = await _in_full_swing(arena)
    set_clock(arena, server, offset, HOUR)
    return await arena.back()


@scenario(within_s=HUNG_S)
async def worker_of_another_day(arena: Arena) -> float:
    """A worker's own clock is a day behind, another one's a day ahead."""
    await arena.database()
    for seconds in (-24 * HOUR, 24 * HOUR):
        offset = arena.folder / f"offset{seconds}"
        set_offset(offset, seconds)
        await arena.worker(**told_by(offset))
    await arena.push_steadily()
    await arena.under_way()
    await asyncio.sleep(arena.lease_s)
    return await arena.back()
