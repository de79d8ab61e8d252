"""Faults of single connections, and of all of them together."""

from __future__ import annotations

import asyncio
import random
import time

from chaos.harness import Arena
from chaos.relay import DOWN, UP, Relay
from chaos.scenario import HUNG_S, OUTAGE_S, scenario
from chaos.waiting import until
from chaos.workerprocess import WorkerProcess


async def _surroundings(arena: Arena, workers: int = 1) -> tuple[Relay, list[WorkerProcess]]:
    """A database, a relay, workers behind it, and pushes past it; all in full swing."""
    await arena.database()
    relay = arena.relay()
    started = [await arena.worker(relay.dsn) for _ in range(workers)]
    await arena.push_steadily()
    await arena.under_way()
    return relay, started


def _hung(arena: Arena, relay: Relay, name: str, *directions: str) -> None:
    stalled = relay.stall(name, directions=directions or (UP, DOWN), new=False)
    arena.expect(stalled, f"there was no connection {name!r} to stall")


@scenario(within_s=HUNG_S, short=True)
async def finish_hangs(arena: Arena) -> float:
    """The connection for outcomes is acknowledged and never answered."""
    relay, _ = await _surroundings(arena)
    _hung(arena, relay, "chancy finish")
    return await arena.back()


@scenario(within_s=HUNG_S)
async def finish_answers_hang(arena: Arena) -> float:
    """Outcomes are written, and the answers never arrive."""
    relay, _ = await _surroundings(arena)
    _hung(arena, relay, "chancy finish", DOWN)
    return await arena.back()


@scenario(within_s=HUNG_S, short=True)
async def claim_hangs(arena: Arena) -> float:
    """The connection that claims, beats and listens is acknowledged and never answered."""
    relay, _ = await _surroundings(arena)
    _hung(arena, relay, "chancy claim")
    return await arena.back()


@scenario(within_s=HUNG_S)
async def claim_answers_hang(arena: Arena) -> float:
    """Jobs are claimed, and the worker never hears which."""
    relay, _ = await _surroundings(arena)
    _hung(arena, relay, "chancy claim", DOWN)
    return await arena.back()


@scenario(within_s=HUNG_S)
async def claim_hangs_beside_another(arena: Arena) -> float:
    """The connection of one worker of two hangs: what it had claimed is not kept from the other for ever."""
    await arena.database()
    relay = arena.relay()
    hung = await arena.worker(relay.dsn)
    other = await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    _hung(arena, relay, "chancy claim", DOWN)
    return await arena.back(hung, other)


@scenario(within_s=HUNG_S)
async def idle_claim_hangs(arena: Arena) -> float:
    """The only connection of an idle worker hangs, and then a job is pushed."""
    await arena.database()
    relay = arena.relay()
    await arena.worker(relay.dsn)
    await arena.push(number=5)
    await arena.under_way(5)
    _hung(arena, relay, "chancy claim")
    return await arena.back()


@scenario(within_s=HUNG_S)
async def everything_that_is_open_hangs(arena: Arena) -> float:
    """Every open connection of two workers hangs; new ones work."""
    relay, _ = await _surroundings(arena, 2)
    relay.stall(new=False)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6, short=True)
async def all_cut_off(arena: Arena) -> float:
    """Two workers are cut off from a living database for two leases; what was on its way is lost."""
    relay, _ = await _surroundings(arena, 2)
    relay.stall()
    await asyncio.sleep(2 * arena.lease_s)
    relay.release(deliver=False)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def all_cut_off_and_delivered(arena: Arena) -> float:
    """Two workers are cut off for two leases; what was on its way arrives after all."""
    relay, _ = await _surroundings(arena, 2)
    relay.stall()
    await asyncio.sleep(2 * arena.lease_s)
    relay.release()
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def refused(arena: Arena) -> float:
    """Every connection is reset, and new ones are refused, for two leases."""
    relay, _ = await _surroundings(arena, 2)
    relay.refuse()
    relay.cut()
    await asyncio.sleep(2 * arena.lease_s)
    relay.accept()
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def storm_of_cuts(arena: Arena) -> float:
    """Connections of each kind are cut at random, by reset and in good order, on both sides or on one."""
    relay, _ = await _surroundings(arena, 2)
    dice = random.Random(3)
    over = time.monotonic() + (3 if arena.short else 15)
    while time.monotonic() < over:
        name = dice.choice(("chancy claim", "chancy finish", "chancy"))
        relay.cut(name, reset=dice.random() < 0.5, server=dice.random() < 0.7)
        await asyncio.sleep(dice.uniform(0.1, 0.5))
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def half_closed_to_the_worker(arena: Arena) -> float:
    """The worker is told that nothing more comes, while the server still listens."""
    relay, _ = await _surroundings(arena)
    relay.half_close(towards="client")
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def half_closed_to_the_server(arena: Arena) -> float:
    """The server is told that nothing more comes."""
    relay, _ = await _surroundings(arena)
    relay.half_close(towards="server")
    return await arena.back()


@scenario(within_s=HUNG_S)
async def slow_network(arena: Arena) -> float:
    """Each packet takes half a second, each way."""
    relay, _ = await _surroundings(arena)
    relay.delay(0.5)
    await asyncio.sleep(arena.lease_s)
    return await arena.back()


@scenario(within_s=HUNG_S)
async def application_hangs(arena: Arena) -> float:
    """A connection of the application hangs in the middle of its pushes; later pushes go on."""
    await arena.database()
    relay = arena.relay()
    await arena.worker()
    pusher = await arena.push_steadily(relay.dsn)
    await arena.under_way()
    since = time.monotonic()
    relay.stall("chancy", new=False)
    await until(lambda: pusher.goes_on_after(since + 1), "pushes go on")
    took_s = time.monotonic() - since
    relay.release(deliver=False)
    return took_s


@scenario(within_s=HUNG_S)
async def application_without_asyncio_hangs(arena: Arena) -> float:
    """Connections of an application with threads hang in the middle of its pushes; later pushes go on."""
    await arena.database()
    relay = arena.relay()
    await arena.worker()
    pusher = await arena.push_steadily(relay.dsn, sync=True)
    await arena.under_way()
    since = time.monotonic()
    relay.stall("chancy", new=False)
    await until(lambda: pusher.goes_on_after(since + 1), "pushes go on")
    took_s = time.monotonic() - since
    relay.release(deliver=False)
    return took_s


@scenario(within_s=HUNG_S)
async def application_is_not_answered(arena: Arena) -> float:
    """Pushes are stored, and the application never hears of it: it must not store them again."""
    await arena.database()
    relay = arena.relay()
    await arena.worker()
    pusher = await arena.push_steadily(relay.dsn)
    await arena.under_way()
    since = time.monotonic()
    relay.stall("chancy", directions=[DOWN], new=False)
    await until(lambda: pusher.goes_on_after(since + 1), "pushes go on")
    took_s = time.monotonic() - since
    relay.release(deliver=False)
    return took_s


@scenario(within_s=HUNG_S)
async def push_arrives_late(arena: Arena) -> float:
    """A push's connection is lost before its statement has arrived, and the statement arrives seconds later."""
    await arena.database()
    relay = arena.relay()
    await arena.worker()
    pusher = await arena.push_steadily(relay.dsn)
    await arena.under_way()
    since = time.monotonic()
    relay.stall("chancy", directions=[UP], new=False)
    await until(lambda: relay.held("chancy"), "a push is on its way")
    relay.cut("chancy", server=False)
    await until(lambda: pusher.goes_on_after(since + 1), "pushes go on")
    took_s = time.monotonic() - since
    relay.release()
    return took_s
