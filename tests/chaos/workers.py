"""Faults of workers: signals, kills, processes that stand still, stops at a bad moment."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import psycopg

from chaos.cluster import needs
from chaos.harness import Arena
from chaos.relay import Relay
from chaos.scenario import HUNG_S, KILLED_S, OUTAGE_S, SECOND_SIGNAL_S, scenario
from chaos.waiting import until
from chaos.workerprocess import WorkerProcess

# How a worker may end that was told to stop: see the page of workers.
DRAINED, HANDED_BACK, AT_ONCE, UNWRITTEN, GAVE_UP = 0, 3, 4, 5, 6


async def _two(arena: Arena) -> tuple[WorkerProcess, WorkerProcess]:
    await arena.database()
    one, other = await arena.worker(), await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    return one, other


async def until_taken_over(arena: Arena, worker: WorkerProcess) -> None:
    """Wait until no job is held by a worker that is gone."""

    async def none_left() -> bool:
        query = "SELECT count(*) FROM {s}.jobs WHERE state = 'running' AND worker LIKE %s"
        return not (await arena.rows(query, f"{worker.tag}.%"))[0][0]

    await until(none_left, f"what {worker.tag} held is taken over")


@scenario(within_s=KILLED_S, short=True)
async def worker_killed(arena: Arena) -> float:
    """One worker of two is killed: the other takes over what it held."""
    victim, other = await _two(arena)
    victim.written_off = True
    victim.send(signal.SIGKILL)
    since = time.monotonic()
    await until(lambda: not victim.alive, "it is dead")
    await until_taken_over(arena, victim)
    return await arena.back(other, since=since)


@scenario(within_s=KILLED_S)
async def all_workers_killed(arena: Arena) -> float:
    """All workers are killed, and another one is started; counted from its start."""
    for victim in await _two(arena):
        victim.written_off = True
        victim.send(signal.SIGKILL)
    new = await arena.worker()
    since = time.monotonic()
    for victim in arena.workers[:2]:
        await until_taken_over(arena, victim)
    return await arena.back(new, since=since)


@scenario(within_s=KILLED_S, lease_s=6)
async def worker_stands_still(arena: Arena) -> float:
    """One worker of two stands still for two leases, and goes on: its jobs ran elsewhere, it works again."""
    frozen, other = await _two(arena)
    frozen.written_off = True
    frozen.send(signal.SIGSTOP)
    await asyncio.sleep(2 * arena.lease_s)
    await until_taken_over(arena, frozen)
    frozen.send(signal.SIGCONT)
    return await arena.back(frozen, other)


@scenario(within_s=OUTAGE_S, lease_s=6)
async def all_workers_stand_still(arena: Arena) -> float:
    """All workers stand still together for two leases, as on a virtual machine that is paused: nobody was lost."""
    both = await _two(arena)
    for worker in both:
        worker.send(signal.SIGSTOP)
    await asyncio.sleep(2 * arena.lease_s)
    for worker in both:
        worker.send(signal.SIGCONT)
    return await arena.back()


@scenario(within_s=HUNG_S)
async def finish_backend_stands_still(arena: Arena) -> float:
    """The server's process for the connection of outcomes stands still."""
    return await _backend_stands_still(arena, "chancy finish")


@scenario(within_s=HUNG_S)
async def claim_backend_stands_still(arena: Arena) -> float:
    """The server's process for the connection of claims stands still."""
    return await _backend_stands_still(arena, "chancy claim")


async def _backend_stands_still(arena: Arena, name: str) -> float:
    server = await asyncio.to_thread(arena.cluster)
    await arena.database(server.dsn())
    await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    for pid in server.backends(name):
        os.kill(pid, signal.SIGSTOP)
        arena.at_the_end(_go_on, pid)
    since = time.monotonic()
    took_s = await arena.back(since=since)
    await asyncio.sleep(2)
    for pid in server.children():
        os.kill(pid, signal.SIGCONT)
    return took_s


def _go_on(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


# -- stops ---------------------------------------------------------------------------------


@scenario()
async def drained(arena: Arena) -> None:
    """A worker is told to stop in full swing: it ends its jobs, and exits with 0."""
    one, _ = await _two(arena)
    one.send(signal.SIGTERM)
    code = await one.ended()
    arena.expect(code == DRAINED, f"exit code {code}, not {DRAINED}")


@scenario()
async def hang_up(arena: Arena) -> None:
    """A terminal or a session is closed (SIGHUP): the worker drains as for SIGTERM."""
    one, _ = await _two(arena)
    one.send(signal.SIGHUP)
    code = await one.ended()
    arena.expect(code == DRAINED, f"exit code {code}, not {DRAINED}")


@scenario()
async def rolling_restart(arena: Arena) -> None:
    """Workers are stopped and started one after the other."""
    one, other = await _two(arena)
    for old in (one, other):
        await arena.worker()
        old.send(signal.SIGTERM)
        code = await old.ended()
        arena.expect(code == DRAINED, f"exit code {code}, not {DRAINED}")
    await arena.back(*arena.workers[2:])


async def _behind_a_relay(arena: Arena) -> tuple[Relay, WorkerProcess]:
    """A worker behind a relay, another one past it, and pushes."""
    await arena.database()
    relay = arena.relay()
    behind = await arena.worker(relay.dsn, CHANCY_WORKER_GRACE_S="5")
    await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    return relay, behind


@scenario()
async def told_to_stop_while_finish_hangs(arena: Arena) -> None:
    """The connection of outcomes hangs, and the worker is told to stop: it writes them by another one first."""
    relay, behind = await _behind_a_relay(arena)
    relay.stall("chancy finish", new=False)
    await until(lambda: relay.held("chancy finish"), "outcomes are on their way")
    behind.send(signal.SIGTERM)
    code = await behind.ended()
    arena.expect(code in (DRAINED, HANDED_BACK), f"exit code {code}, not {DRAINED} or {HANDED_BACK}")


@scenario(lease_s=6)
async def told_to_stop_without_a_database(arena: Arena) -> None:
    """A worker that reaches no database is told to stop: it ends all the same, and says that outcomes are unwritten."""
    relay, behind = await _behind_a_relay(arena)
    relay.stall()
    await until(lambda: relay.held("chancy finish"), "outcomes are on their way")
    # What it could not write is rescued by the other one, which cannot know better.
    behind.written_off = True
    behind.send(signal.SIGTERM)
    since = time.monotonic()
    code = await behind.ended()
    arena.expect(code == UNWRITTEN, f"exit code {code}, not {UNWRITTEN}")
    arena.expect(time.monotonic() - since < 45, "its end took longer than 45 s")
    arena.expect("outcomes_not_written" in behind.said(), "it did not say that outcomes are unwritten")


async def _second_signal(arena: Arena, worker: WorkerProcess) -> float:
    worker.written_off = True
    worker.send(signal.SIGTERM)
    await asyncio.sleep(1)
    if worker.alive:
        worker.send(signal.SIGTERM)
    since = time.monotonic()
    await worker.ended()
    return time.monotonic() - since


@scenario(within_s=SECOND_SIGNAL_S)
async def told_twice(arena: Arena) -> float:
    """A worker with long jobs is told twice: it hands them back, and ends."""
    one, _ = await _two(arena)
    await arena.push(lambda token: arena.job(token, 3.0), number=40)
    await arena.under_way(5)
    return await _second_signal(arena, one)


@scenario(within_s=SECOND_SIGNAL_S, short=True)
async def told_twice_without_a_database(arena: Arena) -> float:
    """Everything hangs, and the worker is told twice."""
    relay, behind = await _behind_a_relay(arena)
    relay.stall()
    # By a connection that was open, or by one that cannot be opened any more.
    await until(lambda: relay.held("chancy finish") or "finish_failed" in behind.said(), "outcomes are on their way")
    return await _second_signal(arena, behind)


@scenario(within_s=SECOND_SIGNAL_S)
async def told_twice_during_its_start(arena: Arena) -> float:
    """A worker that hangs in its start, because nothing answers, is told twice."""
    await arena.database()
    relay = arena.relay()
    relay.stall()
    behind = await arena.worker(relay.dsn, ready=False)
    await until(relay.count, "it connects")
    return await _second_signal(arena, behind)


def _locked(locker: psycopg.Connection, schema: str) -> bool:
    """Both tables are locked now; it never waits for one while it holds the other, which would be a deadlock."""
    try:
        locker.execute(f'LOCK TABLE "{schema}".workers, "{schema}".jobs NOWAIT'.encode())
    except psycopg.errors.LockNotAvailable:
        locker.rollback()
        return False
    return True


@scenario(within_s=SECOND_SIGNAL_S)
async def told_twice_behind_a_lock(arena: Arena) -> float:
    """Somebody locks the workers' table, and a worker is told twice."""
    one, _ = await _two(arena)
    with psycopg.connect(arena.dsn) as locker:
        await until(lambda: _locked(locker, arena.schema), "both tables are locked")
        await asyncio.sleep(1)
        return await _second_signal(arena, one)


@scenario(within_s=HUNG_S)
async def loop_blocked_and_standby_hangs(arena: Arena) -> float:
    """A job blocks the event loop, and the connection hangs by which a thread renews the lease meanwhile."""
    await arena.database()
    relay = arena.relay()
    worker = await arena.worker(relay.dsn)
    await arena.push_steadily()
    await arena.under_way()
    relay.stall("chancy heartbeat")
    await arena.push(lambda token: arena.job(token, arena.lease_s * 1.2, func="chaos.work.block"))
    await until(lambda: "loop_blocked" in worker.said(), "the loop is blocked")
    # No other job of this worker ends meanwhile, because they are all on the same loop.
    before = len(arena.runs())
    await until(lambda: len(arena.runs()) > before, "the loop is free again")
    relay.pass_all()
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def no_descriptors_left(arena: Arena) -> float:
    """A job opens as many files as the process may, and other jobs end meanwhile: their outcomes are recorded."""
    needs("prlimit")()
    await arena.database()
    worker = await arena.worker(prefix=["prlimit", "--nofile=96"])
    await arena.push(lambda token: arena.job(token, 10.0, func="chaos.work.hoard"), queue=worker.queue)
    await until(lambda: any(run.what == "began" for run in arena.runs()), "the files are open")
    await arena.push_steadily()
    await arena.under_way()
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def large_results(arena: Arena) -> float:
    """Four hundred results of 250 KB come at once, with other jobs beside them."""
    await arena.database()
    await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    await arena.push(lambda token: arena.job(token, 0.2, size=250_000), number=400)
    return await arena.back()
