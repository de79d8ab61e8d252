"""Workers that are killed at random moments."""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from killing import all_fired, check_the_books, pair

# For longer: CHANCY_TEST_KILLS=50 CHANCY_TEST_SCHEDULES=100 takes two to three minutes for each test.
KILLS = int(os.environ.get("CHANCY_TEST_KILLS", "4"))
SCHEDULES = int(os.environ.get("CHANCY_TEST_SCHEDULES", "10"))
# The pause between two kills, at least and at most.
PAUSE_S = (0.2, 4.5) if KILLS > 10 else (0.2, 1.5)
LEADS_FOR_S = (0.0, 2.0) if KILLS > 10 else (0.0, 1.0)
LEASE_S = 0.5

pytestmark = pytest.mark.timeout(600 + KILLS * 60)


async def test_workers_that_are_killed_fire_each_second_once(chancy, tmp_path, dsn, schema, query, until):
    """Two workers, one of them killed again and again: no second is fired twice, none is left out."""
    with pair(tmp_path / "log", dsn, schema, SCHEDULES) as workers:
        await until(lambda: query("SELECT count(*) > 0 FROM {s}.cron_fires")[0][0])
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(*PAUSE_S))
            workers.kill(random.choice(("w0", "w1")))
        await all_fired(query)
    check_the_books(query, SCHEDULES)


async def test_leaders_that_are_killed_fire_each_second_once(new_chancy, tmp_path, dsn, schema, query, until):
    """Two workers that elect a leader, which is killed again and again: every fire exactly once."""
    leadership = pytest.importorskip("chancy_leadership")
    async with new_chancy(*_plugins(leadership)):
        pass
    with pair(tmp_path / "log", dsn, schema, SCHEDULES, LEASE_S) as workers:
        await until(lambda: query("SELECT count(*) > 0 FROM {s}.cron_fires")[0][0])
        terms = set()
        while workers.kills < KILLS:
            holder, term = await until(lambda: _leader(query, terms))
            await asyncio.sleep(random.uniform(*LEADS_FOR_S))
            terms.add(term)
            workers.kill(holder.partition(".")[0])
        await all_fired(query)
    fires = check_the_books(query, SCHEDULES)
    print(f"{KILLS} leaders killed, {fires} fires of {SCHEDULES} schedules")  # noqa: T201


def _plugins(leadership):
    from chancy_cron import Cron  # noqa: PLC0415

    return Cron(), leadership.Leadership()


async def _leader(query, killed):
    """Who leads in a term in which nobody was killed."""
    await asyncio.sleep(0.05)
    return next(
        (
            (holder, term)
            for holder, term in query("SELECT holder, term FROM {s}.leadership WHERE lease_until > clock_timestamp()")
            if holder and term not in killed
        ),
        None,
    )
