"""The statements of firing: which schedules are due, and which of their times have been fired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from chancy_cron.store import Connection, Row, SchemaConnection, utc


class Advanced(NamedTuple):
    """What became of a schedule that was due; the columns of `advance_schedules`."""

    name: str
    next_at: datetime | None
    wake_at: datetime | None
    last_fired_at: datetime | None = None
    last_job: str | None = None
    last_error: str | None = None


class Fired(NamedTuple):
    """What became of a fire.

    Attributes:
        schedule: the schedule's name.
        at: its time.
        job: the job that was pushed for it, or the one because of which none was.
        skipped: whether none was.
    """

    schedule: str
    at: datetime
    job: str
    skipped: bool


def _moments(values: Iterable[datetime | None]) -> str:
    """An array of moments, of which none needs quotes: psycopg writes each by itself, which was a quarter of a fire."""
    return f"{{{','.join('NULL' if value is None else value.isoformat() for value in values)}}}"


class FireStore(SchemaConnection):
    """What is due, and what was fired."""

    def __init__(self, schema: str, connection: Connection) -> None:
        super().__init__(schema, connection)
        # What was fired again after a savepoint had been left is noted again.
        self._fired: dict[tuple[str, datetime], Fired] = {}

    def note(self, fired: Fired) -> None:
        """Remember what became of a fire, until it is written with what became of its schedule."""
        self._fired[fired.schedule, fired.at] = fired

    async def any_due(self) -> bool:
        """Whether any schedule is due."""
        ((due,),) = (row.values() for row in await self._rows("any_due"))
        return bool(due)

    async def lock_due(self, limit: int) -> list[Row]:
        """Schedules that are due, locked."""
        return await self._rows("lock_due", limit=limit)

    async def record(self, name: str, times: Sequence[datetime]) -> list[datetime]:
        """Record fires. Returns those that had not been recorded before."""
        return [utc(row["fire_at"]) for row in await self._rows("record_fires", name=name, times=list(times))]

    async def record_many(self, fires: Sequence[tuple[str, datetime]]) -> set[tuple[str, datetime]]:
        """Record fires of many schedules. Returns those that had not been recorded before."""
        if not fires:
            return set()
        names, times = zip(*fires, strict=True)
        rows = await self._rows("record_many", name=list(names), fire_at=_moments(times))
        return {(row["schedule"], utc(row["fire_at"])) for row in rows}

    async def due_in_s(self) -> float | None:
        """In how many seconds the first schedule is due; None: none is."""
        rows = await self._rows("due_in")
        return float(rows[0]["due_in_s"]) if rows else None

    async def advance(self, done: Sequence[Advanced]) -> None:
        """Write what became of schedules."""
        name, next_at, wake_at, last_fired_at, last_job, last_error = map(list, zip(*done, strict=True))
        fired, self._fired = list(self._fired.values()), {}
        await self._rows(
            "advance_schedules",
            name=name,
            next_at=_moments(next_at),
            wake_at=_moments(wake_at),
            last_fired_at=_moments(last_fired_at),
            last_job=last_job,
            last_error=last_error,
            fired=[one.schedule for one in fired],
            fire_at=_moments(one.at for one in fired),
            job=[one.job for one in fired],
            skipped=[one.skipped for one in fired],
        )

    async def forget(self, names: Sequence[str], keep: int) -> None:
        """Delete all but the latest fires of these schedules."""
        await self._rows("forget_fires", names=list(names), keep=keep)

    async def forget_orphans(self) -> None:
        """Delete old fires of schedules that are gone."""
        await self._rows("forget_orphans")

    async def get_ahead(self, name: str, after: datetime) -> set[datetime]:
        """The times of a schedule after a moment that have been fired: the clock was set back since."""
        return {utc(row["fire_at"]) for row in await self._rows("get_fires_ahead", name=name, after=after)}

    async def forget_ahead(self, name: str, after: datetime) -> None:
        """Forget them."""
        await self._rows("forget_fires_ahead", name=name, after=after)
