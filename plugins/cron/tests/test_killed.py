"""Workers that are killed at random moments."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

# For longer: CHANCY_TEST_KILLS=50 CHANCY_TEST_SCHEDULES=100 takes two to three minutes.
KILLS = int(os.environ.get("CHANCY_TEST_KILLS", "3"))
SCHEDULES = int(os.environ.get("CHANCY_TEST_SCHEDULES", "10"))
# The pause between two kills, at most and at least.
PAUSE_S = (0.2, 4.5) if KILLS > 10 else (0.2, 1.5)
CHILD = Path(__file__).with_name("worker_child.py")


async def test_workers_that_are_killed_fire_each_second_once(chancy, dsn, schema, query, until):
    """Two workers, one of them killed again and again: no second is fired twice, none is left out."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(CHILD), dsn, schema, str(SCHEDULES)], cwd=CHILD.parent, stderr=subprocess.DEVNULL
        )

    children = [start(), start()]
    try:
        await until(lambda: query("SELECT count(*) > 0 FROM {s}.cron_fires")[0][0])
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(*PAUSE_S))
            victim = random.randrange(2)
            children[victim].kill()
            children[victim].wait()
            children[victim] = start()
        await until(
            lambda: query("SELECT bool_and(next_at > now() - interval '1 second') FROM {s}.cron_schedules")[0][0]
        )
    finally:
        for child in children:
            child.terminate()
        ends = time.monotonic() + 40
        for child in children:
            child.wait(max(ends - time.monotonic(), 0.1))
    ((schedules, fires, times, left_out),) = query(
        "SELECT count(*), sum(fires), sum(times), sum(length - fires) FROM ("
        "SELECT count(*) AS fires, count(DISTINCT fire_at) AS times, "
        "extract(epoch FROM max(fire_at) - min(fire_at)) + 1 AS length FROM {s}.cron_fires GROUP BY schedule) AS counts"
    )
    pushed = query(
        "SELECT count(*), count(DISTINCT key) FROM ("
        "SELECT meta::text AS key FROM {s}.jobs UNION ALL SELECT meta::text FROM {s}.finished_jobs) AS jobs"
    )
    assert schedules == SCHEDULES
    assert (times, left_out) == (fires, 0)
    assert pushed == [(fires, fires)]
