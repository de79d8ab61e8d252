"""Faults between hosts: three of them in namespaces of the network, joined by a switch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from chaos.clocks import HOUR, set_offset, told_by
from chaos.harness import Arena
from chaos.network import Host
from chaos.scenario import HUNG_S, KILLED_S, OUTAGE_S, scenario
from chaos.site import Site
from chaos.waiting import until
from chaos.workers import until_taken_over

MEGABYTE = 1_000_000


async def _cut_off_briefly(arena: Arena, cut: Callable[[Host], None], heal: Callable[[Host], None]) -> float:
    site = await Site.made(arena)
    host = site.hosts[1]
    await site.in_full_swing(pushes_on=host)
    await asyncio.to_thread(cut, host)
    await asyncio.sleep(arena.lease_s / 3)
    await asyncio.to_thread(heal, host)
    # Nobody is written off: whoever takes a run of theirs for lost has done wrong, and is counted.
    return await arena.back()


async def _cut_off_for_long(
    arena: Arena, cut: Callable[[Site, Host], None], heal: Callable[[Site, Host], None]
) -> float:
    site = await Site.made(arena)
    host = site.hosts[1]
    await site.in_full_swing(pushes_on=host)
    # It is in the middle of these as it is cut off.
    mine = site.write_off(host)
    for worker in mine:
        await arena.push(lambda token: arena.job(token, 1.0), queue=worker.queue, number=5)
    await arena.under_way(5)
    await asyncio.to_thread(cut, site, host)
    await asyncio.sleep(2 * arena.lease_s)
    for worker in mine:
        await until_taken_over(arena, worker)
    await _none_ran_twice_elsewhere(arena)
    await asyncio.to_thread(heal, site, host)
    took_s = await arena.back()
    await _none_ran_twice_elsewhere(arena)
    arena.expect(all(worker.alive for worker in site.living()), "a worker has ended")
    return took_s


async def _none_ran_twice_elsewhere(arena: Arena) -> None:
    """A job that came to its end more than once did so on a worker of the host that was cut off, at least once."""
    written_off = {worker.tag for worker in arena.workers if worker.written_off}
    ended: dict[str, list[str]] = {}
    for run in arena.runs():
        if run.what == "ran":
            ended.setdefault(run.job, []).append(run.worker.partition(".")[0])
    wrong = [job for job, tags in ended.items() if len([tag for tag in tags if tag not in written_off]) > 1]
    arena.expect(not wrong, f"{len(wrong)} jobs ran twice on hosts that were never cut off")


@scenario(within_s=HUNG_S)
async def host_unplugged_briefly(arena: Arena) -> float:
    """One host of three is unplugged for a third of a lease: nobody was lost."""
    return await _cut_off_briefly(arena, Host.unplug, Host.plug_in)


@scenario(within_s=HUNG_S)
async def host_silent_briefly(arena: Arena) -> float:
    """All packets of one host of three vanish, without a sign, for a third of a lease: nobody was lost."""
    return await _cut_off_briefly(arena, Host.fall_silent, Host.speak_again)


@scenario(within_s=HUNG_S, lease_s=6)
async def host_unplugged(arena: Arena) -> float:
    """One host of three is unplugged for two leases: others take over, and it works again by itself."""
    return await _cut_off_for_long(arena, lambda _, host: host.unplug(), lambda _, host: host.plug_in())


@scenario(within_s=HUNG_S, lease_s=6, short=True)
async def host_silent(arena: Arena) -> float:
    """All packets of one host of three vanish for two leases: others take over, and it works again by itself."""
    return await _cut_off_for_long(arena, lambda _, host: host.fall_silent(), lambda _, host: host.speak_again())


@scenario(within_s=HUNG_S, lease_s=6)
async def host_without_a_route(arena: Arena) -> float:
    """One host of three has no route for two leases, so that each attempt to connect fails at once."""
    return await _cut_off_for_long(arena, lambda _, host: host.switch_off_link(), lambda _, host: host.switch_on_link())


@scenario(within_s=HUNG_S, lease_s=6)
async def answers_to_a_host_lost(arena: Arena) -> float:
    """What a host sends arrives, and nothing that it is answered, for two leases."""
    return await _cut_off_for_long(
        arena,
        lambda site, host: site.hosts[0].loses_what_it_sends(host),
        lambda site, host: site.hosts[0].loses_nothing(host),
    )


@scenario(within_s=HUNG_S, lease_s=6)
async def questions_of_a_host_lost(arena: Arena) -> float:
    """Nothing that a host sends to the database arrives, for two leases; what it is sent does."""
    return await _cut_off_for_long(
        arena,
        lambda site, host: host.loses_what_it_sends(site.hosts[0]),
        lambda site, host: host.loses_nothing(site.hosts[0]),
    )


@scenario(within_s=HUNG_S, lease_s=6)
async def database_host_silent(arena: Arena) -> float:
    """The database's host is cut off from the others for two leases; its own workers go on, and take over."""
    site = await Site.made(arena)
    database, *others = site.hosts
    await site.in_full_swing(pushes_on=others[0])
    cut_off = site.write_off(*others)
    await asyncio.to_thread(database.fall_silent)
    await asyncio.sleep(2 * arena.lease_s)
    for worker in cut_off:
        await until_taken_over(arena, worker)
    await _none_ran_twice_elsewhere(arena)
    await asyncio.to_thread(database.speak_again)
    return await arena.back()


@scenario(within_s=HUNG_S)
async def database_host_restarts(arena: Arena) -> float:
    """The database's host loses power, its address is away for five seconds, and it comes back."""
    site = await Site.made(arena)
    database, *others = site.hosts
    await site.in_full_swing(*others, pushes_on=others[0])
    await asyncio.to_thread(database.unplug)
    server = site.servers[database]
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(5)
    await asyncio.to_thread(database.plug_in)
    await asyncio.to_thread(server.start)
    return await arena.back()


@scenario(within_s=KILLED_S)
async def host_dies(arena: Arena) -> float:
    """A host loses power with all its workers, so that nobody hears of it: others take over what they held."""
    site = await Site.made(arena)
    host = site.hosts[1]
    await site.in_full_swing()
    dead = site.write_off(host)
    await asyncio.to_thread(host.fall_silent)
    since = time.monotonic()
    for worker in dead:
        worker.process.kill()
    for worker in dead:
        await until_taken_over(arena, worker)
    await _none_ran_twice_elsewhere(arena)
    return await arena.back(*site.living(host), since=since)


@scenario(within_s=OUTAGE_S)
async def host_joins(arena: Arena) -> float:
    """A third host joins two that have more to do than they can; counted from the start of its workers."""
    site = await Site.made(arena)
    await site.in_full_swing(*site.hosts[:2])
    await arena.push(number=1500)
    new = [await site.worker(site.hosts[2]) for _ in range(2)]
    took_s = await arena.back(*new)
    tags = {worker.tag for worker in new}
    await until(lambda: any(run.worker.partition(".")[0] in tags for run in arena.runs()), "the new host runs jobs")
    return took_s


@scenario(within_s=HUNG_S)
async def clock_of_a_host_jumps(arena: Arena) -> float:
    """The clock of one host is an hour behind, jumps a day ahead and back; the others' and the database's are right."""
    site = await Site.made(arena)
    offset = arena.folder / "offset"
    set_offset(offset, -HOUR)
    for _ in range(2):
        await site.worker(site.hosts[1], **told_by(offset))
    await site.in_full_swing(site.hosts[0], site.hosts[2])
    for seconds in (24 * HOUR, -HOUR, 600, -600):
        set_offset(offset, seconds)
        await asyncio.sleep(arena.lease_s / 3)
    return await arena.back()


@scenario(within_s=HUNG_S)
async def host_behind_a_slow_line(arena: Arena) -> float:
    """One host is 100 ms away by a line of 8 Mbit/s, and has arguments and results of a megabyte each."""
    site = await Site.made(arena)
    host = site.hosts[1]
    relay = arena.relay(site.dsn, namespace=host.namespace)
    far = await site.worker(host, relay.dsn)
    await site.in_full_swing(site.hosts[2], each=1)
    await asyncio.to_thread(host.narrow)
    relay.delay(0.05)
    await arena.push(lambda token: arena.job(token, 0.1, ballast="a" * MEGABYTE), queue=far.queue, number=12)
    await arena.push(lambda token: arena.job(token, 0.1, size=MEGABYTE), queue=far.queue, number=12)

    async def done() -> bool:
        query = "SELECT count(*) FROM {s}.jobs WHERE queue = %s"
        return not (await arena.rows(query, far.queue))[0][0]

    # 24 megabytes at one a second, and each of them once.
    since = time.monotonic()
    await until(done, "large jobs pass the slow line", 150)
    arena.expect(time.monotonic() - since < 75, f"the large jobs took {time.monotonic() - since:.0f} s")
    return await arena.back()
