"""Faults that come together, and faults while every plugin is loaded."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg

from chancy_core.app import Chancy
from chancy_core.values.queue import Queue
from chaos.clocks import HOUR, server_with_a_clock, set_clock
from chaos.cluster import Cluster
from chaos.harness import Arena
from chaos.relay import BOTH, DOWN, UP, Relay
from chaos.scenario import HUNG_S, OUTAGE_S, scenario
from chaos.waiting import until

NAMES = ("chancy claim", "chancy finish", "chancy heartbeat", "chancy")
LIMITED = "limited"


class _Mixture:
    """One fault after the other, none of which takes a lease, in an order that a seed decides."""

    def __init__(self, arena: Arena, server: Cluster, relay: Relay, seed: int) -> None:
        self._arena = arena
        self._server = server
        self._relay = relay
        self._dice = random.Random(seed)
        self.played: list[str] = []

    async def play(self, seconds: float) -> None:
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            act = self._dice.choice(self._acts())
            self.played.append(act.__name__.strip("_"))
            with suppress(psycopg.OperationalError):
                await act()
            await asyncio.sleep(self._dice.uniform(0.1, 1.5))

    def _acts(self) -> list[Callable[[], Awaitable[None]]]:
        return [self._cut, self._hang, self._silence, self._read_only, self._lock, self._freeze, self._end, self._crash]

    async def _cut(self) -> None:
        self._relay.cut(self._dice.choice(NAMES), reset=self._dice.random() < 0.5, server=self._dice.random() < 0.5)

    async def _hang(self) -> None:
        self._relay.stall(self._dice.choice(NAMES), directions=self._dice.choice((BOTH, (UP,), (DOWN,))), new=False)

    async def _silence(self) -> None:
        self._relay.stall()
        await asyncio.sleep(self._dice.uniform(0.5, 3))
        self._relay.release(deliver=self._dice.random() < 0.5)

    async def _read_only(self) -> None:
        self._server.set(default_transaction_read_only="on")
        await asyncio.sleep(self._dice.uniform(0.2, 2))
        self._server.set(default_transaction_read_only="off")

    async def _lock(self) -> None:
        table = self._dice.choice(("jobs", "finished_jobs", "workers", "queues"))
        with psycopg.connect(self._arena.dsn, options="-c lock_timeout=2s") as locker:
            locker.execute(f'LOCK TABLE "{self._arena.schema}".{table} IN ACCESS EXCLUSIVE MODE'.encode())
            await asyncio.sleep(self._dice.uniform(0.2, 2))
            locker.rollback()

    async def _freeze(self) -> None:
        worker = self._dice.choice(self._arena.workers)
        worker.send(signal.SIGSTOP)
        await asyncio.sleep(self._dice.uniform(0.2, 2))
        worker.send(signal.SIGCONT)

    async def _end(self) -> None:
        self._server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^chancy'")

    async def _crash(self) -> None:
        await asyncio.to_thread(self._server.kill)
        await asyncio.to_thread(self._server.start)


async def _mixed(arena: Arena, seed: int) -> float:
    server = await asyncio.to_thread(arena.cluster)
    await arena.database(server.dsn())
    relay = arena.relay()
    for _ in range(3):
        await arena.worker(relay.dsn)
    await arena.push_steadily(relay.dsn)
    await arena.under_way()
    await _Mixture(arena, server, relay, seed).play(45)
    relay.release(deliver=False)
    relay.pass_all()
    return await arena.back()


@scenario(within_s=HUNG_S)
async def everything_at_once(arena: Arena) -> float:
    """Faults of every kind follow each other for three quarters of a minute, none of them for as long as a lease."""
    return await _mixed(arena, 1)


@scenario(within_s=HUNG_S)
async def everything_in_another_order(arena: Arena) -> float:
    """The same, in another order."""
    return await _mixed(arena, 2)


# -- with plugins --------------------------------------------------------------------------


async def _with_plugins(arena: Arena, dsn: str, workers: int = 2) -> None:
    """Workers with whatever is installed, and a queue whose limits a plugin enforces."""
    async with Chancy(arena.dsn, schema=arena.schema, discover=True) as chancy:
        await chancy.migrate()
        await chancy.declare(Queue(LIMITED, rate_limit=200, rate_limit_window=1.0, global_concurrency=50))
    for _ in range(workers):
        await arena.worker(dsn, CHANCY_DISCOVER="true")
    await arena.push_steadily()
    await arena.push(queue=LIMITED, number=20)
    await arena.under_way(40)


async def _limited_back(arena: Arena) -> float:
    """Seconds until all queues go on, the limited one too."""
    since = time.monotonic()
    tokens = await arena.push(lambda token: arena.job(token, 0.0), queue=LIMITED, number=5)

    async def done() -> bool:
        query = "SELECT count(*) FROM {s}.finished_jobs WHERE kwargs->>'token' = ANY(%s)"
        return (await arena.rows(query, tokens))[0][0] == len(tokens)

    await until(done, "the limited queue goes on")
    return max(time.monotonic() - since, await arena.back(since=since))


@scenario(within_s=HUNG_S)
async def everything_hangs_with_plugins(arena: Arena) -> float:
    """Every open connection of workers with plugins hangs, those for limited queues too; new ones work."""
    await arena.database()
    relay = arena.relay()
    await _with_plugins(arena, relay.dsn)
    relay.stall(new=False)
    return await _limited_back(arena)


@scenario(within_s=OUTAGE_S, lease_s=6)
async def outage_with_plugins(arena: Arena) -> float:
    """Workers with plugins are cut off for two leases."""
    await arena.database()
    relay = arena.relay()
    await _with_plugins(arena, relay.dsn)
    relay.refuse()
    relay.cut()
    await asyncio.sleep(2 * arena.lease_s)
    relay.accept()
    return await _limited_back(arena)


@scenario(within_s=HUNG_S)
async def clock_set_back_with_plugins(arena: Arena) -> float:
    """The database's clock is set back by an hour under workers with plugins: limited queues go on, too."""
    server, offset = await server_with_a_clock(arena)
    await _with_plugins(arena, server.dsn())
    set_clock(arena, server, offset, -HOUR)
    return await _limited_back(arena)


@scenario(within_s=OUTAGE_S)
async def started_before_its_database(arena: Arena) -> None:
    """Workers are started while the database hangs: they work once it answers, or end with 1 to be started again."""
    await arena.database()
    relay = arena.relay()
    relay.stall()
    early = await arena.worker(relay.dsn, ready=False)
    await until(relay.count, "it connects")
    await asyncio.sleep(5)
    relay.release(deliver=True)
    await until(lambda: "worker_started" in early.said() or not early.alive, "it starts, or ends")
    arena.expect(early.alive or early.process.returncode == 1, f"exit code {early.process.returncode}, not 1")
    late = await arena.worker(relay.dsn)
    await arena.push_steadily()
    await arena.back(late)
