"""Fire what is due: record, push, and set the next time, in one transaction a batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import psycopg

from chancy import Reference
from chancy.plugin import Tick, is_outage, log, text_of
from chancy_cron.fires import Advanced, Fired, FireStore
from chancy_cron.plan import job_for, may_wait, plan
from chancy_cron.store import Connection, Row
from chancy_cron.together import fire_together

Push = Callable[..., Awaitable[Reference]]

# Schedules that one transaction fires. Others wait for its commit only if they are among them.
BATCH: Final = 500
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
# A moment that was waited for is over by so much when it is looked, so that it is not missed by a hair.
JUST_AFTER_S: Final = 0.001


async def fire_due(tick: Tick, *, late_s: float, keep_fires: int, ahead_s: float = 0.0) -> int:
    """Fire every schedule that is due and that no other worker fires just now.

    Args:
        tick: the tick.
        late_s: as of the plugin.
        keep_fires: as of the plugin.
        ahead_s: what comes due within so many seconds is waited for, and fired in its moment.

    Returns:
        How many jobs were pushed.
    """
    total = 0
    if ahead_s:
        async with tick.connection() as connection:
            due_in_s = await FireStore(tick.schema, connection).due_in_s()
        if due_in_s is not None and 0 < due_in_s < ahead_s:
            await asyncio.sleep(due_in_s + JUST_AFTER_S)
    async with tick.connection() as connection:
        fires = FireStore(tick.schema, connection)
        while await fires.any_due():
            async with connection.transaction():
                full, pushed = await _fire_batch(fires, connection, tick, late_s, keep_fires)
            total += pushed
            if not full:
                # What is still due is fired by another worker just now.
                break
    return total


async def _fire_batch(
    fires: FireStore, connection: Connection, tick: Tick, late_s: float, keep_fires: int
) -> tuple[bool, int]:
    """Fire up to a batch of schedules. Returns whether there may be more, and how many jobs were pushed."""
    rows = await fires.lock_due(BATCH)
    if not rows:
        return False, 0
    await fires.set_lock_timeout(LOCK_WITHIN_S)
    enough_at = time.monotonic() + TAKES_ON_FOR_S
    done, pushed = await fire_together(
        fires, connection, tick.push_many, rows, late_s=late_s, jobs_max=JOBS_MAX, until=enough_at
    )
    fired = {one.name for one in done}
    # Those with a key of their own come last: one whose key somebody holds must not make the others late.
    for row in sorted((row for row in rows if row["name"] not in fired), key=may_wait):
        if pushed >= JOBS_MAX or (done and time.monotonic() >= enough_at):
            break
        try:
            # A savepoint for each: a schedule that cannot be fired takes nothing away from the others.
            async with connection.transaction():
                advanced, count = await _fire(fires, connection, tick.push, row, late_s)
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
    if done:
        await fires.set_lock_timeout(0)
        await fires.advance(done)
        await fires.forget([one.name for one in done if one.last_fired_at], keep_fires)
    if pushed:
        log.info("schedules_fired", schedules=len(done), jobs=pushed)
    return len(rows) == BATCH or len(done) < len(rows), pushed


async def _fire(fires: FireStore, connection: Connection, push: Push, row: Row, late_s: float) -> tuple[Advanced, int]:
    """Fire one schedule."""
    planned = plan(row, late_s)
    name = planned.schedule.name
    fresh = await fires.record(name, planned.times) if planned.times else []
    job_id, pushed = None, 0
    for fire_at in fresh:
        reference = await push(job_for(planned.schedule, fire_at), connection=connection)
        # One that waited and was replaced runs for this time now.
        fired = reference.created or reference.replaced
        pushed += fired
        job_id = str(reference) if fired else None
        fires.note(Fired(name, fire_at, str(reference), skipped=not fired))
        if not fired:
            log.info("fire_skipped", schedule=name, fire_at=fire_at.isoformat(), unfinished_job=str(reference))
    return planned.advanced(fresh[-1] if fresh else None, job_id), pushed


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
