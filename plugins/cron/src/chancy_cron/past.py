"""What became of the fires of the last 24 hours, for people to look at."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

from chancy import Chancy
from chancy.plugin import opened, with_connection
from chancy_cron.errors import InvalidSchedule
from chancy_cron.expression import parse
from chancy_cron.missed import fire_until
from chancy_cron.schedule import StoredSchedule
from chancy_cron.store import SQL, Connection, utc
from chancy_cron.times import zone

DAY_S: Final = 86_400.0
# More fires than that in a day cannot be told apart.
FIRES_MAX: Final = 96
# What became of a job is looked up for so many fires of all schedules together, and of three of each at least.
LOOKED_UP: Final = 600
LEAST: Final = 3
# A fire that is later than that has been missed; by then every worker has had its turn.
LATE_S: Final = 60.0
# No statement of it takes longer: nobody's jobs wait because somebody looks.
WITHIN_S: Final = 1.0


class Fire(NamedTuple):
    """A time at which a schedule fired, or should have.

    Attributes:
        at: its time.
        became: the state of its job; `skipped`: there was none, because the one before was not finished; `missed`: it
            was not fired; `gone`: its job is not there any more, or nobody knows which it was.
        job: its job, or the one because of which it was skipped.
    """

    at: datetime
    became: str
    job: str | None = None


class Past(NamedTuple):
    """The last 24 hours of a schedule.

    Attributes:
        fires: the newest first, as many as can be told apart.
        many: whether there were more.
        last: the state of its last job, however long ago it was pushed; None if it is not there any more.
    """

    fires: list[Fire]
    many: bool
    last: str | None = None


class _Known(NamedTuple):
    """What the database knows of them."""

    fires: Mapping[str, Sequence[Mapping[str, Any]]]
    since: Mapping[str, datetime]
    states: Mapping[str, str]


async def read_past(chancy: Chancy, schedules: Sequence[StoredSchedule], now: datetime) -> dict[str, Past]:
    """The last 24 hours of some schedules, by their names.

    Args:
        chancy: an open Chancy.
        schedules: the schedules.
        now: the database's time.
    """

    async def read(connection: Connection) -> _Known:
        # Where a pooler lets nothing be set for a connection, the transaction says that it only looks.
        async with connection.transaction():
            await SQL.rows(connection, chancy.settings.schema, "begin_reading", ms=str(int(WITHIN_S * 1000)))
            return await _read(connection, chancy.settings.schema, schedules)

    known = await with_connection(await opened(chancy), read)
    return {one.name: _past(one, now, known) for one in schedules}


async def _read(connection: Connection, schema: str, schedules: Sequence[StoredSchedule]) -> _Known:
    names = [one.name for one in schedules]
    rows = await SQL.dicts(connection, schema, "get_recent_fires", names=names, since_s=DAY_S, limit=FIRES_MAX + 1)
    fires: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        fires.setdefault(row["schedule"], []).append(row)
    each = max(LOOKED_UP // max(len(names), 1), LEAST)
    jobs = [row["job"] for found in fires.values() for row in found[:each]]
    ids = list({job for job in (*jobs, *(one.last_job for one in schedules)) if _is_id(job)})
    found = await SQL.rows(connection, schema, "get_states", ids=ids) if ids else []
    since = await SQL.rows(connection, schema, "get_times_since", names=names)
    return _Known(fires, {name: utc(at) for name, at in since}, {str(id_): state for id_, state in found})


def _is_id(text: str | None) -> bool:
    """Whether it is a job's id; another's hand may have written anything."""
    try:
        return text is not None and bool(uuid.UUID(text))
    except ValueError:
        return False


def _past(schedule: StoredSchedule, now: datetime, known: _Known) -> Past:
    rows = known.fires.get(schedule.name, ())
    fires = [Fire(utc(row["fire_at"]), _became(row, known.states), row["job"]) for row in rows]
    # Paused ones miss nothing, and what was fired before the times were changed says nothing of these.
    since = None if schedule.paused else known.since.get(schedule.name)
    if since is not None:
        fires += _missed(schedule, now, since, {one.at for one in fires})
    fires.sort(key=lambda one: one.at, reverse=True)
    return Past(fires[:FIRES_MAX], len(fires) > FIRES_MAX, known.states.get(schedule.last_job or ""))


def _became(row: Mapping[str, Any], states: Mapping[str, str]) -> str:
    return "skipped" if row["skipped"] else states.get(row["job"] or "", "gone")


def _missed(schedule: StoredSchedule, now: datetime, since: datetime, fired: Collection[datetime]) -> list[Fire]:
    begin, end = max(since, now - timedelta(seconds=DAY_S)), now - timedelta(seconds=LATE_S)
    if len(fired) > FIRES_MAX:
        # Older ones were fired as well, and may be forgotten.
        return []
    try:
        times = fire_until(parse(schedule.cron), zone(schedule.timezone), begin, end)
        expected = list(islice(times, FIRES_MAX + 1))
    except InvalidSchedule:
        return []
    if len(expected) > FIRES_MAX:
        return []
    return [Fire(at, "missed") for at in expected if at not in fired]
