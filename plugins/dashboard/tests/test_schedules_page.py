"""What became of the last runs of each schedule."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from chancy_cron import Cron

from chancy import Job

FINISHED = """
    INSERT INTO {s}.finished_jobs
        (id, queue, func, priority, state, max_attempts, attempts, claims, created_at, finished_at)
    VALUES (%s, 'default', 'm.f', 0, %s, 1, 1, 1, now(), now())
"""


async def test_the_last_runs_of_a_schedule_are_seen_beside_the_next(browser, chancy, query):
    """The nightly report failed twice in a row: the line shows it, in words too, and links lead to the jobs."""
    await Cron.schedule(chancy, "0 3 * * *", Job("m.f"), name="nightly")
    jobs = [str(uuid.UUID(int=n)) for n in (1, 2, 3)]
    for n, (job, state) in enumerate(zip(jobs, ("failed", "failed", "succeeded"), strict=True), 1):
        query(FINISHED, job, state)
        at = datetime.now(UTC) - timedelta(hours=n)
        query("INSERT INTO {s}.cron_fires (schedule, fire_at, job) VALUES ('nightly', %s, %s)", at, job)
    (row,) = (await browser.get("/api/schedules")).json()["schedules"]
    assert [(one["became"], one["job"]) for one in row["outcomes"]] == [
        ("failed", jobs[0]),
        ("failed", jobs[1]),
        ("succeeded", jobs[2]),
    ]
    page = (await browser.get("/schedules")).text
    assert "in the last 24 hours: 2 failed, 1 succeeded; and in the next 24 hours" in page
    assert f'href="/jobs/{jobs[1]}" title="' in page
