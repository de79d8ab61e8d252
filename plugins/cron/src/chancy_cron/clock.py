"""What becomes of schedules when the database's clock is set back.

A next time is never further ahead than the expression's next time from now. If it is, the clock was set back since it
was written (or somebody has written it by hand), and nothing would be fired until the clock has caught up. What is
promised then:

* A time of day that was fired in the hours that come again is not fired again, as with Debian's cron. If the clock went
  back by more than three hours, that was a correction, and what it now shows counts.
* A schedule at intervals goes on. What it has fired already is not fired again as long as a time that it has not fired
  comes within five minutes; otherwise it goes by the new clock, as if it had not been there before, because a job of
  every five minutes that rests for an hour is worse than one that has run at 02:05 of either clock.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, NamedTuple

from chancy.plugin import Tick, log
from chancy_cron.errors import InvalidSchedule
from chancy_cron.expression import Expression, parse
from chancy_cron.fires import FireStore
from chancy_cron.store import Connection, CronStore, Row, utc
from chancy_cron.times import fire_times, zone

# Debian's cron has the same bound.
CORRECTION: Final = timedelta(hours=3)
PATIENCE: Final = timedelta(minutes=5)
# Seconds between two looks, and how far ahead a time must lie to be looked at: what comes before the next look, comes.
LOOK_S: Final = 10.0
# Schedules that one look reads; of a larger number, the next look goes on.
AT_ONCE: Final = 200
# A fire that could not be pushed is tried again within this; see fire.py.
RETRY_S: Final = 30.0
# Somebody who holds a schedule will leave it as it should be, or the next look finds it again.
LOCK_WITHIN_S: Final = 0.1
START: Final = ""


class Proper(NamedTuple):
    """Where the next time of a schedule belongs, and whether the fires ahead of now are to be forgotten."""

    next_at: datetime | None
    forget: bool


def after_fired(expression: Expression, now: datetime, last_fired_at: datetime | None) -> datetime:
    """The moment after which a schedule is fired next: now, or the last time of day that was fired ahead of it."""
    if expression.fixed and last_fired_at is not None and now < last_fired_at <= now + CORRECTION:
        return last_fired_at
    return now


class ClockWatch:
    """Brings forward the next times that lie further ahead than they can.

    Remembers what it has found to be right, so that a look is one statement nearly always.
    """

    def __init__(self) -> None:
        self._look_at = float("-inf")
        self._after = START
        self._now: datetime | None = None
        self._right: dict[str, tuple[object, datetime]] = {}

    async def look(self, tick: Tick) -> None:
        """Look at some schedules, if it is time to; at all of them, if the clock was seen to go back."""
        went_back = self._now is not None and tick.now < self._now
        self._now = tick.now
        if went_back:
            self._after = START
        elif time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        async with tick.connection() as connection:
            while await self._look(tick.schema, connection) and went_back:
                pass

    async def _look(self, schema: str, connection: Connection) -> bool:
        """Look at some schedules. Returns whether there are more."""
        rows = await CronStore(schema, connection).list_ahead(
            self._after, ahead_s=LOOK_S, retry_s=RETRY_S, limit=AT_ONCE
        )
        for row in rows:
            if not self._is_right(row):
                await _bring_forward(schema, connection, row["name"])
        more = len(rows) == AT_ONCE
        self._after = rows[-1]["name"] if more else START
        if len(self._right) > 2 * AT_ONCE and not more:
            # Those of schedules that are gone go too; what is right is found out again.
            self._right.clear()
        return more

    def _is_right(self, row: Row) -> bool:
        what = (row["cron"], row["timezone"], row["next_at"], row["last_fired_at"])
        known = self._right.get(row["name"])
        now = utc(row["now"])
        if row["sleeps"]:
            return False
        if known is not None and known[0] == what and known[1] <= now:
            return True
        try:
            right = _may_be_right(row, now)
        except InvalidSchedule:
            # It is told when it is due, and by whoever lists it.
            right = True
        if right:
            self._right[row["name"]] = (what, now)
        return right


def _may_be_right(row: Row, now: datetime) -> bool:
    """Whether the next time is where it belongs, as far as one can tell without looking for what was fired."""
    expression, where = parse(row["cron"]), zone(row["timezone"])
    fired_at = None if row["last_fired_at"] is None else utc(row["last_fired_at"])
    found = next(fire_times(expression, where, after_fired(expression, now, fired_at)), None)
    return found is None or (row["next_at"] is not None and utc(row["next_at"]) <= found)


async def _bring_forward(schema: str, connection: Connection, name: str) -> None:
    store, fires = CronStore(schema, connection), FireStore(schema, connection)
    async with connection.transaction():
        await store.set_lock_timeout(LOCK_WITHIN_S)
        row = await store.lock_row(name)
        now = utc(row["now"])
        if row["paused"]:
            return
        try:
            proper = await _proper(fires, row, now)
        except InvalidSchedule:
            return
        was = None if row["next_at"] is None else utc(row["next_at"])
        if was is not None and proper.next_at is not None and was <= proper.next_at:
            # Only the look was put off for too long.
            await store.set_next(name, was)
            return
        if proper.forget:
            await fires.forget_ahead(name, now)
        await store.set_next(name, proper.next_at)
    log.warning(
        "schedule_brought_forward",
        schedule=name,
        was=None if was is None else was.isoformat(),
        next_at=None if proper.next_at is None else proper.next_at.isoformat(),
        hint="The database's clock was set back, or somebody has changed the row.",
    )


async def _proper(fires: FireStore, row: Row, now: datetime) -> Proper:
    expression, where = parse(row["cron"]), zone(row["timezone"])
    fired_at = None if row["last_fired_at"] is None else utc(row["last_fired_at"])
    if expression.fixed:
        forget = fired_at is not None and fired_at > now + CORRECTION
        return Proper(next(fire_times(expression, where, after_fired(expression, now, fired_at)), None), forget)
    fired = await fires.get_ahead(row["name"], now)
    for moment in takewhile(lambda moment: moment <= now + PATIENCE, fire_times(expression, where, now)):
        if moment not in fired:
            return Proper(moment, forget=False)
    return Proper(next(fire_times(expression, where, now), None), forget=bool(fired))
