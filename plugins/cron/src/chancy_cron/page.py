"""The page of the schedules in chancy-dashboard: when each fires, what became of its last job, and what can be done."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import Any, Final

from cronsim import CronSim

from chancy.plugin import Done, Visit, WebAction, WebPage
from chancy_cron import manage
from chancy_cron.errors import InvalidSchedule
from chancy_cron.expression import SOME_MOMENT, parse
from chancy_cron.past import DAY_S, Fire, Past, read_past
from chancy_cron.schedule import StoredSchedule
from chancy_cron.times import fire_times, zone

SHOWN: Final = 100
# More fires than that in a day cannot be told apart, and are drawn as a band.
MARKS_MAX: Final = 96
# What was computed for a day ahead is still right some minutes later.
STEP_S: Final = 600
# So many of the last fires are told one by one.
OUTCOMES: Final = 5
#: What became of a fire, in words.
TOLD: Final = {
    "scheduled": "its job will start a little later",
    "pending": "its job waits",
    "running": "its job runs",
    "retrying": "its job failed, and is tried again",
    "succeeded": "its job succeeded",
    "failed": "its job failed",
    "cancelled": "its job was cancelled",
    "skipped": "skipped, because the job before was not finished",
    "missed": "missed: no worker fired it",
    "gone": "fired; its job is not there any more",
}


async def load(visit: Visit) -> dict[str, Any]:
    """The schedules, those first that fire next."""
    found, unreadable, now = await manage.read_with_time(visit.chancy)
    wanted = visit.query.get("name", "").lower()
    listed = sorted((one for one in found if wanted in one.name.lower()), key=_key)
    page = int(text) if (text := visit.query.get("page", "")).isascii() and text.isdigit() and len(text) < 6 else 1  # noqa: PLR2004
    shown = listed[(max(page, 1) - 1) * SHOWN :][:SHOWN]
    past = await read_past(visit.chancy, shown, now)
    rows = await asyncio.to_thread(_rows, shown, now, past)
    return {
        "schedules": rows,
        "count": len(listed),
        "page": max(page, 1),
        "pages": -(-len(listed) // SHOWN),
        "name": visit.query.get("name", ""),
        "unreadable": unreadable,
        "next": next((row for row in rows if not row["paused"] and row["next_at"]), None),
        "hours": _hours(now),
    }


def _key(one: StoredSchedule) -> tuple[bool, datetime, str]:
    return one.paused, one.next_at or datetime.max.replace(tzinfo=UTC), one.name


def _rows(shown: Sequence[StoredSchedule], now: datetime, past: Mapping[str, Past]) -> list[dict[str, Any]]:
    step = datetime.fromtimestamp(now.timestamp() // STEP_S * STEP_S, UTC)
    return [_row(one, step, now, past[one.name]) for one in shown]


def _row(one: StoredSchedule, step: datetime, now: datetime, past: Past) -> dict[str, Any]:
    return {
        "name": one.name,
        "cron": one.cron,
        "words": _words(one.cron),
        "timezone": one.timezone,
        "func": one.job.func,
        "queue": one.queue,
        "paused": one.paused,
        "overlap": one.overlap,
        "next_at": one.next_at,
        "last_fired_at": one.last_fired_at,
        "last_job": one.last_job,
        "last_state": past.last,
        "last_error": one.last_error,
        "source": one.source,
        "marks": _marks(one.cron, one.timezone, step),
        "outcomes": [_fire(fire) for fire in past.fires[:OUTCOMES]],
        "past": [
            (1 - (now - fire.at).total_seconds() / DAY_S, fire.became, f"{fire.at:%H:%M} UTC: {TOLD[fire.became]}")
            for fire in past.fires
        ],
        "past_many": past.many,
        "told": _told(past),
    }


def _fire(fire: Fire) -> dict[str, Any]:
    return {"at": fire.at, "became": fire.became, "job": fire.job, "told": f"{fire.at:%H:%M} UTC: {TOLD[fire.became]}"}


def _told(past: Past) -> str:
    """The last 24 hours in words."""
    counts = Counter(fire.became for fire in past.fires)
    told = [f"{count} {word}" for word, count in counts.items()]
    return ("at least " if past.many else "") + ", ".join(told) if told else "none"


@lru_cache(maxsize=2_000)
def _words(cron: str) -> str:
    """An expression in words; nothing, where it has none."""
    try:
        return str(CronSim(parse(cron).text, SOME_MOMENT).explain())
    except (InvalidSchedule, ValueError, NotImplementedError):
        return ""


@lru_cache(maxsize=2_000)
def _marks(cron: str, timezone: str, now: datetime) -> list[tuple[float, str]] | None:
    """The fires of the next 24 hours: which share of these has passed then, and when. None: too many to tell apart."""
    try:
        times = takewhile(lambda at: at <= now + timedelta(seconds=DAY_S), fire_times(parse(cron), zone(timezone), now))
        found = list(islice(times, MARKS_MAX + 1))
    except InvalidSchedule:
        return []
    if len(found) > MARKS_MAX:
        return None
    return [((at - now).total_seconds() / DAY_S, f"{at:%H:%M} UTC") for at in found]


def _hours(now: datetime) -> list[tuple[float, str]]:
    """Where midnight, noon and so on are in the 24 hours before now and the 24 hours after it."""
    first = now.replace(minute=0, second=0, microsecond=0)
    near = [first + timedelta(hours=n) for n in range(-23, 25)]
    return [(0.5 + (at - now).total_seconds() / DAY_S / 2, f"{at:%H:%M}") for at in near if at.hour % 12 == 0]


def _name(visit: Visit) -> str:
    return visit.form.get("name", "")


async def _pause(visit: Visit) -> Done:
    await manage.pause(visit.chancy, _name(visit))
    return Done(f"The schedule {_name(visit)} is paused.", subject=f"schedule {_name(visit)}")


async def _resume(visit: Visit) -> Done:
    next_at = await manage.resume(visit.chancy, _name(visit))
    when = f", and fires next at {next_at:%Y-%m-%d %H:%M:%S} UTC" if next_at else ""
    return Done(f"The schedule {_name(visit)} is resumed{when}.", subject=f"schedule {_name(visit)}")


async def _run(visit: Visit) -> Done:
    reference = await manage.run_now(visit.chancy, _name(visit))
    subject = f"schedule {_name(visit)}"
    if not reference.created:
        told = f"Nothing was pushed: {_name(visit)} must not overlap, and its last job is not finished."
        return Done(told, subject=subject, jobs=0)
    return Done(f"The job of {_name(visit)} was pushed: {reference.identifier}.", subject=subject, jobs=1)


SCHEDULES: Final = WebPage(
    path="schedules",
    title="Schedules",
    load=load,
    template="chancy_cron.pages/schedules.html",
    group="Plans",
    icon="schedules",
    actions=(
        WebAction(name="pause", permission="pause", run=_pause),
        WebAction(name="resume", permission="pause", run=_resume),
        WebAction(name="run", permission="schedule", run=_run),
    ),
)
