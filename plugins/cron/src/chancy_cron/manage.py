"""What is done with a schedule once it is there."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import msgspec

from chancy import Chancy, Reference
from chancy_core.errors import PluginError
from chancy_cron.declare import next_time
from chancy_cron.expression import parse
from chancy_cron.fire import job_for
from chancy_cron.schedule import StoredSchedule
from chancy_cron.store import CronStore
from chancy_cron.times import fire_times, zone


def check(chancy: Chancy) -> None:
    """Raise unless this Chancy has the plugin and a schema that fits."""
    if "cron" not in {loaded.name for loaded in chancy.plugins.loaded}:
        raise PluginError(
            "This Chancy does not have the plugin cron: install chancy-cron and leave it enabled, or give "
            "Chancy(plugins=[Cron()])."
        )
    chancy.check_schema()


async def get_all(chancy: Chancy) -> list[StoredSchedule]:
    """Every schedule, by name."""
    check(chancy)
    async with chancy.pool.connection() as connection:
        return await CronStore(chancy.settings.schema, connection).get_all()


async def remove(chancy: Chancy, name: str) -> str:
    """Remove a schedule. Returns who had declared it: `toml` or `code`. Raises ScheduleNotFound."""
    check(chancy)
    async with chancy.pool.connection() as connection:
        return await CronStore(chancy.settings.schema, connection).remove(name)


async def pause(chancy: Chancy, name: str) -> None:
    """Stop firing a schedule. Raises ScheduleNotFound."""
    check(chancy)
    async with chancy.pool.transaction() as connection:
        store = CronStore(chancy.settings.schema, connection)
        schedule, _ = await store.lock(name)
        await store.set_paused(name, paused=True, next_at=schedule.next_at)


async def resume(chancy: Chancy, name: str) -> datetime | None:
    """Fire a schedule again. Returns its next time. Raises ScheduleNotFound."""
    check(chancy)
    async with chancy.pool.transaction() as connection:
        store = CronStore(chancy.settings.schema, connection)
        schedule, now = await store.lock(name)
        if not schedule.paused:
            return schedule.next_at
        next_at = next_time(schedule, now)
        await store.set_paused(name, paused=False, next_at=next_at)
        return next_at


async def run_now(chancy: Chancy, name: str) -> Reference:
    """Push a schedule's job now. Raises ScheduleNotFound."""
    check(chancy)
    async with chancy.pool.connection() as connection:
        store = CronStore(chancy.settings.schema, connection)
        schedule, now = await store.get(name), await store.now()
    return await chancy.push(job_for(msgspec.structs.replace(schedule, jitter_s=0.0), now))


async def next_times(chancy: Chancy, name: str, count: int) -> list[datetime]:
    """The next times of a schedule, in its zone. Raises ScheduleNotFound."""
    check(chancy)
    async with chancy.pool.connection() as connection:
        store = CronStore(chancy.settings.schema, connection)
        schedule, now = await store.get(name), await store.now()
    where = zone(schedule.timezone)
    times = fire_times(parse(schedule.cron), where, now)
    return [time.astimezone(where) for time in islice(times, count)]
