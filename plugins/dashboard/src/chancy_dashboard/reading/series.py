"""What was, by steps of time, as chancy-history has it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from chancy import Chancy
from chancy_dashboard.reading.connections import rows
from chancy_dashboard.reading.figures import has_history
from chancy_dashboard.reading.snapshots import Remembered

# Workers tell what they counted every ten seconds, and the shortest step is two minutes.
WRITTEN_S: Final = 10.0
FOR_S: Final = 20.0
HOUR_S: Final = 3_600.0
_read: Final = Remembered(FOR_S)
_ORIGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Range(NamedTuple):
    """A range of time that can be looked at.

    Attributes:
        word: as it stands in an address.
        title: for people.
        since_s: how far back it goes.
        step_s: how long each step is.
        form: how a moment of it is written.
    """

    word: str
    title: str
    since_s: float
    step_s: float
    form: str


RANGES: Final = (
    Range("2h", "2 h", 7_200, 120, "%H:%M"),
    Range("2d", "2 d", 172_800, 3_600, "%d %b %H:%M"),
    Range("90d", "90 d", 7_776_000, 86_400, "%d %b"),
)


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """What was, a value for each step; None where nothing is known.

    Attributes:
        range: which range of time.
        times: when each step begins, for people.
        out: jobs a second that ended.
        into: runs a second that were begun.
        bad: runs that failed, in a minute.
        failing: the share of runs that failed.
        wait_s: how long first runs had waited, the mean.
        pending: how many waited.
    """

    range: str
    times: list[str]
    out: list[float | None]
    into: list[float | None]
    bad: list[float | None]
    failing: list[float | None]
    wait_s: list[float | None]
    pending: list[float | None]

    @property
    def knows(self) -> bool:
        """Whether anything was counted."""
        return any(self.into) or any(self.out) or any(self.pending)


def range_of(word: str | None) -> Range:
    """The range of that word; the shortest, if there is none."""
    return next((one for one in RANGES if one.word == word), RANGES[0])


async def series(chancy: Chancy, word: str | None, queue: str | None = None) -> Series | None:
    """What a queue did, or all; None where no history is kept."""
    if not has_history(chancy):
        return None
    asked = range_of(word)
    found: Series = await _read.get(chancy, (asked.word, queue), partial(_look, chancy, asked, queue))
    return found


class LastHour(NamedTuple):
    """What all queues did in the last hour.

    Attributes:
        finished: jobs that ended by a run.
        bad: runs that failed.
        ran: runs that ended.
    """

    finished: int = 0
    bad: int = 0
    ran: int = 0


async def last_hour(chancy: Chancy) -> LastHour | None:
    """What all queues did in the last hour; None where no history is kept."""
    if not has_history(chancy):
        return None

    async def look() -> LastHour:
        found = await rows(chancy, "read_history", since_s=HOUR_S, step_s=HOUR_S, queue=None)
        return LastHour(*(sum(row[name] for row in found) for name in LastHour._fields))

    known: LastHour = await _read.get(chancy, "last hour", look)
    return known


async def _look(chancy: Chancy, asked: Range, queue: str | None) -> Series:
    params = {"since_s": asked.since_s, "step_s": asked.step_s}
    if queue is None and asked.step_s >= HOUR_S:
        found_counts, found_depths = await asyncio.gather(
            rows(chancy, "read_totals", **params), rows(chancy, "read_total_depths", **params)
        )
    else:
        found_counts, found_depths = await asyncio.gather(
            rows(chancy, "read_history", **params, queue=queue), rows(chancy, "read_depths", **params, queue=queue)
        )
    counted = {row["at"]: row for row in found_counts}
    depths = {row["at"]: row["pending"] for row in found_depths}
    now = max(datetime.now(UTC), max([*counted, *depths], default=_ORIGIN).astimezone(UTC))
    steps = _steps(asked, now)
    found = [counted.get(at) for at in steps]
    first = next((i for i, row in enumerate(found) if row), len(found))
    # Before anything was counted nothing is known; after that, what was not counted did not happen.
    known = [row or ({} if i >= first else None) for i, row in enumerate(found)]
    over_s = spans(asked, steps, now)
    if not found[-1] and over_s[-1] <= WRITTEN_S:
        # Nobody can have told yet.
        known[-1] = None
    return Series(
        range=asked.word,
        times=[at.strftime(asked.form) for at in steps],
        out=[_per(row, "finished", s) for row, s in zip(known, over_s, strict=True)],
        into=[_per(row, "started", s) for row, s in zip(known, over_s, strict=True)],
        bad=[_per(row, "bad", s / 60) for row, s in zip(known, over_s, strict=True)],
        failing=[_share(row, "bad", "started") for row in known],
        wait_s=[_share(row, "wait_s", "first") for row in known],
        pending=[depths.get(at) for at in steps],
    )


def spans(asked: Range, steps: list[datetime], now: datetime) -> list[float]:
    """How much of each step is over, in seconds: all of it, but of the newest one.

    Without that, every chart would end in a fall: a day of which six hours have passed had done a quarter of its work.
    """
    newest = min(max((now - steps[-1]).total_seconds(), WRITTEN_S), asked.step_s)
    return [*[asked.step_s] * (len(steps) - 1), newest]


def _steps(asked: Range, now: datetime) -> list[datetime]:
    """When each step begins, the oldest first, as the database bins them."""
    whole = int((now - _ORIGIN).total_seconds() // asked.step_s)
    count = int(asked.since_s / asked.step_s)
    return [_ORIGIN + timedelta(seconds=asked.step_s * (whole - i)) for i in range(count - 1, -1, -1)]


def _per(row: dict[str, Any] | None, name: str, by: float) -> float | None:
    return None if row is None else (row.get(name) or 0) / by


def _share(row: dict[str, Any] | None, part: str, whole: str) -> float | None:
    return None if not row or not row[whole] else row[part] / row[whole]
