"""Fire what is due: record, push, and set the next time, in one transaction a batch."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from chancy import Job, Reference
from chancy.plugin import Tick, is_outage, log, text_of
from chancy_cron.clock import after_fired
from chancy_cron.expression import parse
from chancy_cron.fires import Advanced, FireStore
from chancy_cron.missed import to_fire
from chancy_cron.schedule import MISSED_MAX_LIMIT, StoredSchedule
from chancy_cron.store import Connection, Row, stored, utc
from chancy_cron.times import fire_times, zone

Push = Callable[..., Awaitable[Reference]]

# Schedules that one transaction fires. Others wait for its commit only if they are among them.
BATCH: Final = 100
# Jobs after which a transaction takes on no further schedule, so that making up for missed times ends in time.
JOBS_MAX: Final = 1000
# Seconds after which it does neither. What a killed worker had not committed is done again, so on a slow machine, with
# workers that are often killed, long transactions would never get anywhere.
TAKES_ON_FOR_S: Final = 0.25
# Until a schedule that could not be fired, its queue deleted or its push refused, is tried again.
RETRY_S: Final = 30.0
# How long a fire waits for a lock, such as that of a unique key which somebody has pushed and not committed; and how
# long until it is tried again. Meanwhile the others are fired.
LOCK_WITHIN_S: Final = 0.05
WAIT_S: Final = 1.0
ERROR_LENGTH_MAX: Final = 500


async def fire_due(tick: Tick, *, late_s: float, keep_fires: int) -> int:
    """Fire every schedule that is due and that no other worker fires just now. Returns how many jobs were pushed."""
    total = 0
    async with tick.connection() as connection:
        fires = FireStore(tick.schema, connection)
        while await fires.any_due():
            async with connection.transaction():
                full, pushed = await _fire_batch(fires, connection, tick.push, late_s, keep_fires)
            total += pushed
            if not full:
                # What is still due is fired by another worker just now.
                break
    return total


async def _fire_batch(
    fires: FireStore, connection: Connection, push: Push, late_s: float, keep_fires: int
) -> tuple[bool, int]:
    """Fire up to a batch of schedules. Returns whether there may be more, and how many jobs were pushed."""
    rows = await fires.lock_due(BATCH)
    if not rows:
        return False, 0
    await fires.set_lock_timeout(LOCK_WITHIN_S)
    pushed = 0
    done: list[Advanced] = []
    enough_at = time.monotonic() + TAKES_ON_FOR_S
    # Those with a key of their own come last: one whose key somebody holds must not make the others late.
    for row in sorted(rows, key=_may_wait):
        try:
            # A savepoint for each: a schedule that cannot be fired takes nothing away from the others.
            async with connection.transaction():
                advanced, count = await _fire(fires, connection, push, row, late_s)
        except (
            psycopg.errors.LockNotAvailable,
            psycopg.errors.QueryCanceled,
            psycopg.errors.DeadlockDetected,
        ) as error:
            advanced, count = _waits(row, error), 0
        except Exception as error:
            if is_outage(error):
                raise
            # Whatever it is, it is this schedule's.
            advanced, count = _failed(row, error), 0
        done.append(advanced)
        pushed += count
        if pushed >= JOBS_MAX or time.monotonic() >= enough_at:
            break
    if done:
        await fires.set_lock_timeout(0)
        await fires.advance(done)
        await fires.forget([one.name for one in done if one.last_fired_at], keep_fires)
    if pushed:
        log.info("schedules_fired", schedules=len(done), jobs=pushed)
    return len(rows) == BATCH or len(done) < len(rows), pushed


async def _fire(fires: FireStore, connection: Connection, push: Push, row: Row, late_s: float) -> tuple[Advanced, int]:
    schedule, now = stored(row), utc(row["now"])
    expression, where = parse(schedule.cron), zone(schedule.timezone)
    next_at = next(fire_times(expression, where, after_fired(expression, now, schedule.last_fired_at)), None)
    if schedule.next_at is None or schedule.next_at > now:
        # It was woken for a time that is not there, or not yet.
        return Advanced(schedule.name, schedule.next_at or next_at, schedule.next_at or next_at), 0
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
    fresh = await fires.record(schedule.name, times) if times else []
    job_id, pushed = None, 0
    for fire_at in fresh:
        reference = await push(job_for(schedule, fire_at), connection=connection)
        # One that waited and was replaced runs for this time now.
        fired = reference.created or reference.replaced
        pushed += fired
        job_id = str(reference) if fired else None
        if not fired:
            log.info("fire_skipped", schedule=schedule.name, fire_at=fire_at.isoformat(), unfinished_job=str(reference))
    return Advanced(schedule.name, next_at, next_at, fresh[-1] if fresh else None, job_id), pushed


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


def _may_wait(row: Row) -> bool:
    """Whether the push of a schedule's job may have to wait for somebody: unique keys are given out one by one."""
    return not row["overlap"] or '"unique_key":"' in str(row["job"]).replace(" ", "")


def _waits(row: Row, error: Exception) -> Advanced:
    """A schedule whose job somebody's lock holds up: its time stays due, and it is tried again soon."""
    log.debug("schedule_waits", schedule=row["name"], error=text_of(error), retry_s=WAIT_S)
    told = f"waits for somebody's lock: {text_of(error)}"[:ERROR_LENGTH_MAX]
    return Advanced(row["name"], row["next_at"], row["now"] + timedelta(seconds=WAIT_S), last_error=told)


def _failed(row: Row, error: Exception) -> Advanced:
    """A schedule that could not be fired: its time stays due, and it is tried again a little later."""
    told = f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX].replace("\x00", "")
    log.error("schedule_failed", schedule=row["name"], error=told, retry_s=RETRY_S)
    return Advanced(row["name"], row["next_at"], row["now"] + timedelta(seconds=RETRY_S), last_error=told)
