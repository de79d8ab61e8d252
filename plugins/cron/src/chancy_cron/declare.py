"""Put schedules into the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chancy import Chancy, ChancyError
from chancy_core.log import log
from chancy_core.plugins.again import with_connection
from chancy_cron.errors import InvalidSchedule
from chancy_cron.expression import parse
from chancy_cron.schedule import Schedule, StoredSchedule
from chancy_cron.store import Connection, CronStore
from chancy_cron.times import fire_times, zone


def next_time(schedule: Schedule | StoredSchedule, after: datetime) -> datetime | None:
    """The next time of a schedule after a moment, in UTC."""
    return next(fire_times(parse(schedule.cron), zone(schedule.timezone), after), None)


async def declare_in_code(chancy: Chancy, schedule: Schedule) -> StoredSchedule:
    """Declare one schedule. Raises UnknownQueue, or InvalidSchedule if the settings declare it."""
    await chancy.get_queue(schedule.job.queue)

    async def once(connection: Connection) -> StoredSchedule | None:
        store = CronStore(chancy.settings.schema, connection)
        async with connection.transaction():
            return await store.declare(schedule, next_time(schedule, await store.now()), source="code")

    found = await with_connection(chancy.pool, once)
    if found is None:
        raise InvalidSchedule(
            f"The schedule {schedule.name!r} is declared in the configuration file of the workers: change it there, "
            "or take another name."
        )
    return found


async def declare_settings(chancy: Chancy, schedules: Sequence[Schedule], owner: str) -> None:
    """Make the database have the schedules of the settings, and none that they had before.

    Raises:
        InvalidSchedule: a schedule's queue is unknown; all of them in one error, and nothing was changed.
    """
    await _check_queues(chancy, schedules)

    async def once(connection: Connection) -> list[str]:
        store = CronStore(chancy.settings.schema, connection)
        async with connection.transaction():
            await store.lock_declarations()
            now = await store.now()
            for schedule in sorted(schedules, key=lambda schedule: schedule.name):
                await store.declare(schedule, next_time(schedule, now), source="toml", owner=owner)
            removed = await store.remove_undeclared(owner, [schedule.name for schedule in schedules])
        await store.forget_orphans()
        return removed

    removed = await with_connection(chancy.pool, once)
    log.info("schedules_declared", count=len(schedules), removed=removed)


async def _check_queues(chancy: Chancy, schedules: Sequence[Schedule]) -> None:
    wrong = []
    for schedule in schedules:
        try:
            await chancy.get_queue(schedule.job.queue)
        except ChancyError as error:
            wrong.append(f"The schedule {schedule.name!r}: {error}")
    if wrong:
        raise InvalidSchedule("\n  ".join(wrong))
