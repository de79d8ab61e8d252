"""Put schedules into the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chancy import Chancy, ChancyError
from chancy.plugin import log, opened, with_connection
from chancy_cron.errors import InvalidSchedule, ScheduleNotFound
from chancy_cron.expression import parse
from chancy_cron.fires import FireStore
from chancy_cron.loaded import check
from chancy_cron.runnable import NOTHING_GIVEN, Given, check_functions
from chancy_cron.sameness import check_same, differences
from chancy_cron.schedule import Schedule, StoredSchedule
from chancy_cron.store import Connection, CronStore
from chancy_cron.times import fire_times, zone


def next_time(schedule: Schedule | StoredSchedule, after: datetime) -> datetime | None:
    """The next time of a schedule after a moment, in UTC."""
    return next(fire_times(parse(schedule.cron), zone(schedule.timezone), after), None)


async def declare(
    chancy: Chancy,
    schedules: Sequence[Schedule],
    given: Given = NOTHING_GIVEN,
    *,
    named: bool,
    strict: bool | None = None,
) -> list[StoredSchedule]:
    """Declare schedules in code, all of them or none.

    Args:
        chancy: an open Chancy that has the plugin.
        schedules: what is declared.
        given: as `check_functions` has it.
        named: whether somebody gave them their names; those that were given none replace no other schedule.
        strict: whether to refuse a function that cannot be run here. None: as the plugin's setting says.

    Raises:
        UnknownQueue: nobody declared a queue.
        InvalidSchedule: the settings declare one of that name; one without a name would replace another; or a function
            cannot be run here.
    """
    plugin = check(chancy)
    strict = getattr(plugin, "strict", False) if strict is None else strict
    # An application may begin with its schedules.
    pool = await opened(chancy, makes=True)
    schedules = await check_functions(chancy, schedules, given, strict=strict)
    for schedule in schedules:
        await chancy.get_queue(schedule.job.queue)

    async def once(connection: Connection) -> list[StoredSchedule]:
        store = CronStore(chancy.settings.schema, connection)
        async with connection.transaction():
            # Whoever declares at the same time must see these, or be seen.
            await store.lock_declarations()
            now = await store.now()
            return [await _declare(store, schedule, now, named=named) for schedule in schedules]

    return await with_connection(pool, once)


async def _declare(store: CronStore, schedule: Schedule, now: datetime, *, named: bool) -> StoredSchedule:
    if not named:
        there = await _get(store, schedule.name)
        if there is not None:
            check_same(there, schedule)
    found = await store.declare(schedule, next_time(schedule, now), source="code")
    if found is None:
        raise InvalidSchedule(
            f"The schedule {schedule.name!r} is declared in the configuration file of the workers: change it there, "
            "or take another name."
        )
    return found


async def _get(store: CronStore, name: str) -> StoredSchedule | None:
    try:
        return await store.get(name)
    except (ScheduleNotFound, InvalidSchedule):
        # One that cannot be read is mended by being declared anew.
        return None


async def declare_settings(
    chancy: Chancy, schedules: Sequence[Schedule], owner: str, given: Given = NOTHING_GIVEN, *, strict: bool
) -> None:
    """Make the database have the schedules of the settings, and none that they had before.

    Raises:
        InvalidSchedule: a schedule's queue is unknown, or `strict` and its function cannot be run here; all of them in
            one error, and nothing was changed.
    """
    schedules = await check_functions(chancy, schedules, given, strict=strict)
    await _check_queues(chancy, schedules)

    async def once(connection: Connection) -> list[str]:
        store = CronStore(chancy.settings.schema, connection)
        async with connection.transaction():
            await store.lock_declarations()
            now = await store.now()
            there = {one.name: one for one in (await store.read_all())[0] if one.source == "code"}
            for schedule in sorted(schedules, key=lambda schedule: schedule.name):
                _tell_replaced(there.get(schedule.name), schedule)
                await store.declare(schedule, next_time(schedule, now), source="toml", owner=owner)
            removed = await store.remove_undeclared(owner, [schedule.name for schedule in schedules])
        await FireStore(chancy.settings.schema, connection).forget_orphans()
        return removed

    removed = await with_connection(await opened(chancy), once)
    if schedules or removed:
        log.info("schedules_declared", count=len(schedules), removed=removed)


def _tell_replaced(there: StoredSchedule | None, schedule: Schedule) -> None:
    """Log that the settings take over a schedule that code has declared, if it is another one."""
    if there is not None and (different := differences(there, schedule)):
        log.warning(
            "schedule_replaced",
            schedule=schedule.name,
            by="the configuration file",
            different=different,
            hint="Code or `chancy cron add` had declared another one of this name: give one of them another name.",
        )


async def _check_queues(chancy: Chancy, schedules: Sequence[Schedule]) -> None:
    wrong = []
    for schedule in schedules:
        try:
            await chancy.get_queue(schedule.job.queue)
        except ChancyError as error:
            wrong.append(f"The schedule {schedule.name!r}: {error}")
    if wrong:
        raise InvalidSchedule("\n  ".join(wrong))
