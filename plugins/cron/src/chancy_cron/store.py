"""The plugin's statements, on a connection that the caller holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
from psycopg.rows import dict_row

from chancy import Job, statement
from chancy_core.errors import nearest
from chancy_cron.errors import ScheduleNotFound
from chancy_cron.schedule import Missed, Schedule, StoredSchedule

PACKAGE: Final = "chancy_cron.sql"
Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Any]


class Advanced(NamedTuple):
    """What became of a schedule that was due; the columns of `advance_schedules`."""

    name: str
    next_at: datetime | None
    wake_at: datetime | None
    last_fired_at: datetime | None = None
    last_job: str | None = None
    last_error: str | None = None


class CronStore:
    """The statements in one schema."""

    def __init__(self, schema: str, connection: Connection) -> None:
        self._schema = schema
        self._connection = connection

    async def now(self) -> datetime:
        """The database's time."""
        ((now,),) = (row.values() for row in await self._rows("now"))
        return utc(now)

    # -- firing ----------------------------------------------------------------------------

    async def any_due(self) -> bool:
        """Whether any schedule is due."""
        ((due,),) = (row.values() for row in await self._rows("any_due"))
        return bool(due)

    async def lock_due(self, limit: int) -> list[Row]:
        """Schedules that are due, locked."""
        return await self._rows("lock_due", limit=limit)

    async def record_fires(self, name: str, times: Sequence[datetime]) -> list[datetime]:
        """Record fires. Returns those that had not been recorded before."""
        return [utc(row["fire_at"]) for row in await self._rows("record_fires", name=name, times=list(times))]

    async def advance(self, done: Sequence[Advanced]) -> None:
        """Write what became of schedules."""
        columns = zip(*done, strict=True)
        await self._rows("advance_schedules", **dict(zip(Advanced._fields, map(list, columns), strict=True)))

    async def forget_fires(self, names: Sequence[str], keep: int) -> None:
        """Delete all but the latest fires of these schedules."""
        await self._rows("forget_fires", names=list(names), keep=keep)

    # -- declaring -------------------------------------------------------------------------

    async def lock_declarations(self) -> None:
        """One at a time, until the transaction ends."""
        await self._rows("lock_declarations", schema=self._schema)

    async def declare(
        self, schedule: Schedule, next_at: datetime | None, *, source: str, owner: str = ""
    ) -> StoredSchedule | None:
        """Declare a schedule. None if it belongs to the settings and `source` is code."""
        fields = msgspec.structs.asdict(schedule)
        fields |= {"job": msgspec.json.encode(schedule.job).decode(), "missed": schedule.missed.value}
        rows = await self._rows("declare_schedule", **fields, next_at=next_at, source=source, owner=owner)
        return stored(rows[0]) if rows else None

    async def remove_undeclared(self, owner: str, names: Sequence[str]) -> list[str]:
        """Remove what the settings do not declare any more."""
        return [row["name"] for row in await self._rows("remove_undeclared", owner=owner, names=list(names))]

    async def remove(self, name: str) -> str:
        """Remove a schedule. Returns who had declared it. Raises ScheduleNotFound."""
        rows = await self._rows("remove_schedule", name=name)
        if not rows:
            raise await self._not_found(name)
        source: str = rows[0]["source"]
        return source

    async def forget_orphans(self) -> None:
        """Delete old fires of schedules that are gone."""
        await self._rows("forget_orphans")

    # -- one or all ------------------------------------------------------------------------

    async def get_all(self) -> list[StoredSchedule]:
        """Every schedule, by name."""
        return [stored(row) for row in await self._rows("get_schedules", name=None)]

    async def get(self, name: str) -> StoredSchedule:
        """One schedule. Raises ScheduleNotFound."""
        rows = await self._rows("get_schedules", name=name)
        if not rows:
            raise await self._not_found(name)
        return stored(rows[0])

    async def lock(self, name: str) -> tuple[StoredSchedule, datetime]:
        """One schedule, locked, and the database's time. Raises ScheduleNotFound."""
        rows = await self._rows("lock_schedule", name=name)
        if not rows:
            raise await self._not_found(name)
        return stored(rows[0]), utc(rows[0]["now"])

    async def set_paused(self, name: str, *, paused: bool, next_at: datetime | None) -> None:
        """Pause a schedule, or resume it."""
        await self._rows("pause_schedule", name=name, paused=paused, next_at=next_at)

    async def _not_found(self, name: str) -> ScheduleNotFound:
        known = [row["name"] for row in await self._rows("get_schedules", name=None)]
        return ScheduleNotFound(f"There is no schedule {name!r} in schema {self._schema!r}.{nearest(name, known)}")

    async def _rows(self, query: str, /, **params: Any) -> list[Row]:
        async with psycopg.AsyncCursor(self._connection, row_factory=dict_row) as cursor:
            await cursor.execute(statement(query, self._schema, PACKAGE), params or None)
            return await cursor.fetchall() if cursor.description else []


def stored(row: Row) -> StoredSchedule:
    """The schedule in a row. Raises msgspec.ValidationError or InvalidJob if this code cannot read its job."""
    fields = {name: row[name] for name in StoredSchedule.__struct_fields__}
    for name in ("next_at", "last_fired_at"):
        if fields[name] is not None:
            fields[name] = utc(fields[name])
    fields |= {"job": msgspec.json.decode(row["job"], type=Job), "missed": Missed(row["missed"])}
    return StoredSchedule(**fields)


def utc(moment: datetime) -> datetime:
    """The moment in UTC, whatever the session's time zone."""
    return moment.astimezone(UTC)
