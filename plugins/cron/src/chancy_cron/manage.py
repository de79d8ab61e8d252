"""What is done with a schedule once it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import islice
from typing import Final, TypeVar

import msgspec

from chancy import Chancy, Reference
from chancy.plugin import check_text, check_whole, log, opened, with_connection
from chancy_cron.declare import next_time
from chancy_cron.errors import InvalidSchedule, ScheduleNotFound
from chancy_cron.expression import parse
from chancy_cron.loaded import check
from chancy_cron.plan import job_for
from chancy_cron.schedule import NAME_LENGTH_MAX, StoredSchedule
from chancy_cron.store import Connection, CronStore
from chancy_cron.times import fire_times, zone

T = TypeVar("T")

REMOVED_BEFORE: Final = "code"
# A page of times for people.
COUNT_MAX: Final = 1_000


async def read_all(chancy: Chancy) -> tuple[list[StoredSchedule], dict[str, str]]:
    """Every schedule, by name; and of those that this code cannot read, why not."""
    return await _with_store(chancy, lambda store: store.read_all())


async def read_with_time(chancy: Chancy) -> tuple[list[StoredSchedule], dict[str, str], datetime]:
    """As `read_all`, and the database's time."""

    async def once(store: CronStore) -> tuple[list[StoredSchedule], dict[str, str], datetime]:
        return *await store.read_all(), await store.now()

    return await _with_store(chancy, once)


async def get_all(chancy: Chancy) -> list[StoredSchedule]:
    """Every schedule, by name; those that this code cannot read are named in the log and left out."""
    found, unreadable = await read_all(chancy)
    for name, why in unreadable.items():
        log.warning("schedule_unreadable", schedule=name, error=why)
    return found


async def remove(chancy: Chancy, name: str) -> str:
    """Remove a schedule. Returns who had declared it: `toml` or `code`. Raises ScheduleNotFound."""
    _check_name(name)
    tries = 0

    async def once(store: CronStore) -> str:
        nonlocal tries
        tries += 1
        try:
            return await store.remove(name)
        except ScheduleNotFound:
            if tries == 1:
                raise
            # It was removed by the try before, whose answer was lost, and with it who had declared it.
            return REMOVED_BEFORE

    return await _with_store(chancy, once)


async def pause(chancy: Chancy, name: str) -> None:
    """Stop firing a schedule. Raises ScheduleNotFound."""
    _check_name(name)

    async def once(store: CronStore) -> None:
        row = await store.lock_row(name)
        await store.set_paused(name, paused=True, next_at=row["next_at"])

    await _with_store(chancy, once, transaction=True)


async def resume(chancy: Chancy, name: str) -> datetime | None:
    """Fire a schedule again. Returns its next time. Raises ScheduleNotFound."""
    return (await resumed(chancy, name))[0]


async def resumed(chancy: Chancy, name: str) -> tuple[datetime | None, str]:
    """Fire a schedule again. Returns its next time, and the name of its time zone. Raises ScheduleNotFound."""
    _check_name(name)

    async def once(store: CronStore) -> tuple[datetime | None, str]:
        schedule, now = await store.lock(name)
        if not schedule.paused:
            return schedule.next_at, schedule.timezone
        next_at = next_time(schedule, now)
        await store.set_paused(name, paused=False, next_at=next_at)
        return next_at, schedule.timezone

    return await _with_store(chancy, once, transaction=True)


async def run_now(chancy: Chancy, name: str) -> Reference:
    """Push a schedule's job now. Raises ScheduleNotFound."""
    schedule, now = await _with_now(chancy, name)
    return await chancy.push(job_for(msgspec.structs.replace(schedule, jitter_s=0.0), now))


async def next_times(chancy: Chancy, name: str, count: int) -> list[datetime]:
    """The next times of a schedule, in its zone. Raises ScheduleNotFound."""
    check_whole("count", count, 1, COUNT_MAX, error=InvalidSchedule)
    schedule, now = await _with_now(chancy, name)
    where = zone(schedule.timezone)
    times = fire_times(parse(schedule.cron), where, now)
    return [time.astimezone(where) for time in islice(times, count)]


def _check_name(name: object) -> None:
    check_text("name", name, most=NAME_LENGTH_MAX, error=InvalidSchedule)


async def _with_now(chancy: Chancy, name: str) -> tuple[StoredSchedule, datetime]:
    _check_name(name)

    async def once(store: CronStore) -> tuple[StoredSchedule, datetime]:
        return await store.get(name), await store.now()

    return await _with_store(chancy, once)


async def _with_store(chancy: Chancy, call: Callable[[CronStore], Awaitable[T]], *, transaction: bool = False) -> T:
    """Await `call(store)`; once more if the connection turns out to be lost."""
    check(chancy)

    async def once(connection: Connection) -> T:
        store = CronStore(chancy.settings.schema, connection)
        if not transaction:
            return await call(store)
        async with connection.transaction():
            return await call(store)

    return await with_connection(await opened(chancy), once)
