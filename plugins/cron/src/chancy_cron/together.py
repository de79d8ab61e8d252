"""Fire many schedules by the same few statements, where nothing is wrong with any of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from chancy import References
from chancy.plugin import is_outage, log, text_of
from chancy_cron.fires import Advanced, Fired, FireStore
from chancy_cron.plan import Plan, job_for, may_wait, plan
from chancy_cron.store import Connection, Row

PushMany = Callable[..., Awaitable[References]]

# After so many schedules the event loop has its turn.
STEP: Final = 20


async def fire_together(
    fires: FireStore,
    connection: Connection,
    push_many: PushMany,
    rows: Sequence[Row],
    *,
    late_s: float,
    jobs_max: int,
    until: float,
) -> tuple[list[Advanced], int]:
    """Fire those of these schedules that can be fired together. The others are left, to be fired one by one.

    Args:
        fires: the statements.
        connection: in the transaction that has locked the rows.
        push_many: as `Chancy.push_many`.
        rows: the schedules.
        late_s: as of the plugin.
        jobs_max: as many jobs are pushed, about.
        until: after this moment of the monotonic clock no further one is taken on.

    Returns:
        What became of those that were fired, and how many jobs were pushed.
    """
    done: list[Advanced] = []
    pushed = 0
    left = [await _plans(rows, late_s, jobs_max, until)]
    while left:
        plans = left.pop()
        if len(plans) < 2 or (done and time.monotonic() >= until):  # noqa: PLR2004 -- one is none together
            continue
        try:
            async with connection.transaction():
                advanced, count = await _fire(fires, connection, push_many, plans)
        except Exception as error:
            if is_outage(error):
                raise
            # Something is wrong with one of them: the half without it is fired together all the same.
            log.debug("schedules_halved", count=len(plans), error=text_of(error))
            middle = len(plans) // 2
            left += plans[middle:], plans[:middle]
        else:
            done += advanced
            pushed += count
    return done, pushed


async def _plans(rows: Sequence[Row], late_s: float, jobs_max: int, until: float) -> list[Plan]:
    found: list[Plan] = []
    jobs = 0
    for number, row in enumerate(rows, 1):
        if not may_wait(row):
            try:
                found.append(plan(row, late_s))
            except Exception:  # noqa: BLE001, S112 -- it is told when this one is fired alone
                continue
            jobs += len(found[-1].times)
        if number % STEP == 0:
            await asyncio.sleep(0)
        if jobs >= jobs_max or time.monotonic() >= until:
            break
    return found


async def _fire(
    fires: FireStore, connection: Connection, push_many: PushMany, plans: Sequence[Plan]
) -> tuple[list[Advanced], int]:
    fresh = await fires.record_many([(one.schedule.name, at) for one in plans for at in one.times])
    firing = [(one, at) for one in plans for at in one.times if (one.schedule.name, at) in fresh]
    done: dict[str, Advanced] = {one.schedule.name: one.advanced() for one in plans}
    pushed = 0
    if firing:
        jobs = [job_for(one.schedule, at) for one, at in firing]
        for (one, at), reference in zip(firing, await push_many(jobs, connection=connection), strict=True):
            fired = reference.created or reference.replaced
            pushed += fired
            fires.note(Fired(one.schedule.name, at, str(reference), skipped=not fired))
            done[one.schedule.name] = one.advanced(at, str(reference) if fired else None)
    return list(done.values()), pushed
