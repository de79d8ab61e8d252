"""The database moves from one host to another, and what each host knows of it differs."""

from __future__ import annotations

import asyncio
import time

from chaos.cluster import Cluster
from chaos.harness import Arena
from chaos.network import Host
from chaos.scenario import HUNG_S, scenario
from chaos.site import Site
from chaos.waiting import until

# Each new connection asks the dead host first: four seconds in a worker.
HOST_FAIL_OVER_S = 20.0


async def _pair(arena: Arena) -> tuple[Site, Cluster, Cluster]:
    """A primary and its synchronous standby on two hosts, workers on both and on a third, all in full swing."""
    site = await Site.made(arena)
    primary = site.servers[site.hosts[0]]
    return site, primary, await site.standby(site.hosts[2])


@scenario(within_s=HOST_FAIL_OVER_S)
async def primary_host_dies(arena: Arena) -> float:
    """The primary's host loses power with its workers, nobody hears of it, and the standby's host takes over."""
    site, primary, standby = await _pair(arena)
    await site.in_full_swing(each=1, pushes_on=site.hosts[1])
    dead = site.hosts[0]
    lost = site.write_off(dead)
    await asyncio.to_thread(dead.fall_silent)
    for worker in lost:
        worker.process.kill()
    await asyncio.to_thread(primary.kill)
    await asyncio.sleep(3)
    standby.query("SELECT pg_promote()")
    arena.moved_to(standby.dsn())
    arena.pushers.pop(0)
    return await arena.back(*site.living(dead))


@scenario(within_s=HUNG_S, lease_s=6)
async def standby_lost_before_the_primary(arena: Arena) -> float:
    """The standby falls silent, then the primary dies and the standby takes over: no push was told too soon."""
    site, primary, standby = await _pair(arena)
    first, _, last = site.hosts
    await site.in_full_swing(site.hosts[1], each=2, pushes_on=site.hosts[1])
    await asyncio.to_thread(last.fall_silent)
    # Applications give up connections that do not answer, and ask what became of their pushes.
    await asyncio.sleep(25)
    await asyncio.to_thread(primary.kill)
    await asyncio.to_thread(first.unplug)
    await asyncio.to_thread(last.speak_again)
    standby.query("SELECT pg_promote()")
    arena.moved_to(standby.dsn())
    arena.stored |= arena.pushers.pop(0).stored
    return await arena.back()


# Its host falls silent, and the standby takes over, as where the host dies.
@scenario(within_s=HOST_FAIL_OVER_S, lease_s=6)
async def two_primaries(arena: Arena) -> float:
    """A primary is cut off and lives on; the standby is promoted, and then the old primary is there again, unfenced.

    No commit returns on the old one, as long as its standby is gone: so nobody is told there that anything is stored.
    """
    site, primary, standby = await _pair(arena)
    first = site.hosts[0]
    await site.in_full_swing(site.hosts[1], site.hosts[2], each=1, pushes_on=site.hosts[1])
    inside = await site.worker(first)
    inside.written_off = True
    here = arena.pushers[0]
    await asyncio.to_thread(first.fall_silent)
    # Nothing is on its way to the standby any more.
    await asyncio.sleep(1)
    standby.query("SELECT pg_promote()")
    arena.moved_to(standby.dsn())
    took_s = await _others_back(arena, site, first, without=here)
    await asyncio.sleep(2 * arena.lease_s)
    await asyncio.to_thread(first.speak_again)
    await asyncio.sleep(arena.lease_s)
    # What fencing does, and Chancy cannot: the old primary ends.
    await asyncio.to_thread(primary.kill)
    arena.stored |= here.stored
    await until(lambda: not primary.answers(), "the old primary is fenced")
    return max(took_s, await _others_back(arena, site, without=here))


async def _others_back(arena: Arena, site: Site, *dead: Host, without: object) -> float:
    """Seconds until all but the workers of a host go on, and the applications but the one that is there."""
    arena.pushers = [each for each in arena.pushers if each is not without]
    began = time.monotonic()
    return await arena.back(*site.living(*dead), since=began)
