"""The statements of schedules: declared, read, changed; those of firing are in fires.py."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import psycopg

from chancy import Job
from chancy.plugin import Statements, nearest
from chancy_cron.errors import InvalidSchedule, ScheduleNotFound
from chancy_cron.schedule import Missed, Schedule, StoredSchedule

SQL: Final = Statements("chancy_cron.sql")
Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Any]


class SchemaConnection:
    """A connection that the caller holds, and the schema that its statements are about."""

    def __init__(self, schema: str, connection: Connection) -> None:
        self._schema = schema
        self._connection = connection

    async def now(self) -> datetime:
        """The database's time."""
        ((now,),) = (row.values() for row in await self._rows("now"))
        return utc(now)

    async def set_lock_timeout(self, seconds: float) -> None:
        """For the rest of the transaction, how long to wait for a lock; 0: for ever."""
        await self._rows("set_lock_timeout", lock_ms=str(int(seconds * 1000)))

    async def _rows(self, query: str, /, **params: Any) -> list[Row]:
        return await SQL.dicts(self._connection, self._schema, query, **params)


class CronStore(SchemaConnection):
    """The schedules."""

    # -- declaring -------------------------------------------------------------------------

    async def lock_declarations(self) -> None:
        """One at a time, until the transaction ends."""
        await self._rows("lock_declarations", schema=self._schema)

    async def declare(
        self, schedule: Schedule, next_at: datetime | None, *, source: str, owner: str = ""
    ) -> StoredSchedule | None:
        """Declare a schedule. None if it belongs to the settings and `source` is code."""
        fields = msgspec.structs.asdict(schedule)
        fields |= {"job": _job_text(schedule.job), "missed": schedule.missed.value}
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

    # -- one or all ------------------------------------------------------------------------

    async def read_all(self) -> tuple[list[StoredSchedule], dict[str, str]]:
        """Every schedule, by name; and of those that this code cannot read, why not."""
        found: list[StoredSchedule] = []
        unreadable: dict[str, str] = {}
        for row in await self._rows("get_schedules", name=None):
            try:
                found.append(stored(row))
            except InvalidSchedule as error:
                unreadable[row["name"]] = str(error)
        return found, unreadable

    async def get(self, name: str) -> StoredSchedule:
        """One schedule. Raises ScheduleNotFound."""
        rows = await self._rows("get_schedules", name=name)
        if not rows:
            raise await self._not_found(name)
        return stored(rows[0])

    async def lock(self, name: str) -> tuple[StoredSchedule, datetime]:
        """One schedule, locked, and the database's time. Raises ScheduleNotFound, or InvalidSchedule."""
        row = await self.lock_row(name)
        return stored(row), utc(row["now"])

    async def lock_row(self, name: str) -> Row:
        """The row of one schedule, locked, whether or not this code can read it. Raises ScheduleNotFound."""
        rows = await self._rows("lock_schedule", name=name)
        if not rows:
            raise await self._not_found(name)
        return rows[0]

    # -- when a schedule is next -------------------------------------------------------------

    async def list_ahead(self, after: str, *, ahead_s: float, retry_s: float, limit: int) -> list[Row]:
        """Schedules whose next look lies ahead, by name."""
        return await self._rows("list_ahead", after=after, ahead_s=ahead_s, retry_s=retry_s, limit=limit)

    async def set_next(self, name: str, next_at: datetime | None) -> None:
        """Set the next time of a schedule that is locked."""
        await self._rows("set_next", name=name, next_at=next_at)

    async def set_paused(self, name: str, *, paused: bool, next_at: datetime | None) -> None:
        """Pause a schedule, or resume it."""
        await self._rows("pause_schedule", name=name, paused=paused, next_at=next_at)

    async def _not_found(self, name: str) -> ScheduleNotFound:
        known = [row["name"] for row in await self._rows("get_schedules", name=None)]
        return ScheduleNotFound(f"There is no schedule {name!r} in schema {self._schema!r}.{nearest(name, known)}")


class _Exact(msgspec.Struct):
    """Whether the job is meant as it is, and nothing of what `@job` says of its function is to be added."""

    exact: bool = False


def _job_text(job: Job) -> str:
    fields = msgspec.json.decode(msgspec.json.encode(job))
    if job.as_is() is job:
        fields["exact"] = True
    return msgspec.json.encode(fields).decode()


def _read_job(text: str) -> Job:
    job = msgspec.json.decode(text, type=Job)
    exact = '"exact"' in text and msgspec.json.decode(text, type=_Exact).exact
    return job.as_is() if exact else job


def stored(row: Row) -> StoredSchedule:
    """The schedule in a row. Raises InvalidSchedule if this code cannot read it."""
    fields = {name: row[name] for name in StoredSchedule.__struct_fields__}
    for name in ("next_at", "last_fired_at"):
        if fields[name] is not None:
            fields[name] = utc(fields[name])
    try:
        fields |= {"job": _read_job(row["job"]), "missed": Missed(row["missed"])}
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidSchedule(
            f"The schedule {row['name']!r} cannot be read: {error}. Declare it anew, or remove it: "
            f"chancy cron remove {shlex.quote(row['name'])}"
        ) from None
    return StoredSchedule(**fields)


def utc(moment: datetime) -> datetime:
    """The moment in UTC, whatever the session's time zone."""
    return moment.astimezone(UTC)
