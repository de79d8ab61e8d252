"""What becomes of a schedule that is due: the times that are fired now, and its next one."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from chancy import Job
from chancy.plugin import log
from chancy_cron.clock import after_fired
from chancy_cron.expression import Expression, parse
from chancy_cron.fires import Advanced
from chancy_cron.missed import to_fire
from chancy_cron.schedule import MISSED_MAX_LIMIT, StoredSchedule
from chancy_cron.store import Row, stored, utc
from chancy_cron.times import fire_times, zone


class Plan(NamedTuple):
    """What is to be done with a schedule that was due.

    Attributes:
        schedule: the schedule.
        times: those that are fired now.
        next_at: its next time.
    """

    schedule: StoredSchedule
    times: list[datetime]
    next_at: datetime | None

    def advanced(self, fired_at: datetime | None = None, job: str | None = None) -> Advanced:
        """What is written of it, once its job has been pushed for this time, the latest of them; None: for none."""
        return Advanced(self.schedule.name, self.next_at, self.next_at, fired_at, job)


def plan(row: Row, late_s: float) -> Plan:
    """What is to be done with the schedule in a row. Raises InvalidSchedule if this code cannot read it."""
    schedule, now = stored(row), utc(row["now"])
    expression, where = parse(schedule.cron), zone(schedule.timezone)
    after = after_fired(expression, now, schedule.last_fired_at)
    if after is now and schedule.next_at is not None and now - timedelta(seconds=late_s) <= schedule.next_at <= now:
        following = _next_after(expression, where, schedule.next_at)
        if following is None or following > now:
            # As nearly always: it is in time, and no later time of it has come. Those with the same times share this.
            return Plan(schedule, [schedule.next_at], following)
    next_at = _next_after(expression, where, after)
    if schedule.next_at is None or schedule.next_at > now:
        # It was woken for a time that is not there, or not yet.
        return Plan(schedule, [], schedule.next_at or next_at)
    times = to_fire(
        expression,
        where,
        next_at=schedule.next_at,
        now=now,
        late_s=late_s,
        missed=schedule.missed,
        missed_max=min(schedule.missed_max, MISSED_MAX_LIMIT),
    )
    if schedule.next_at < now - timedelta(seconds=late_s):
        log.warning(
            "fires_missed",
            schedule=schedule.name,
            since=schedule.next_at.isoformat(),
            missed=schedule.missed.value,
            fired_now=len(times),
        )
    return Plan(schedule, times, next_at)


@lru_cache(maxsize=1024)
def _next_after(expression: Expression, where: ZoneInfo, after: datetime) -> datetime | None:
    return next(fire_times(expression, where, after), None)


def job_for(schedule: StoredSchedule, fire_at: datetime) -> Job:
    """The job that a schedule pushes for one of its times; `meta["cron"]` says for which."""
    job = schedule.job
    meta: dict[str, Any] = {"cron": {"schedule": schedule.name, "fire_at": fire_at.isoformat()}}
    job = job.with_meta({**meta, **job.meta})
    if schedule.jitter_s:
        delay_s = random.uniform(0, schedule.jitter_s)  # noqa: S311
        job = job.with_scheduled_at(fire_at + timedelta(seconds=delay_s))
    if not schedule.overlap and job.unique_key is None:
        job = job.with_unique_key(f"cron:{schedule.name}")
    return job


def may_wait(row: Row) -> bool:
    """Whether the push of a schedule's job may have to wait for somebody: unique keys are given out one by one."""
    return not row["overlap"] or '"unique_key":"' in str(row["job"]).replace(" ", "")
