"""`rate_limit`: exact across processes, and reached."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from chancy import Backoff, Chancy, Job, Queue, State, Worker
from chancy.testing import WITHIN_S

NAP = Job(func="limited_jobs.nap")


async def starts(chancy: Chancy, queue: str) -> list[datetime]:
    """When the finished and running jobs of a queue were started, in order."""
    schema = chancy.settings.schema
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(
            f'SELECT started_at FROM "{schema}".finished_jobs WHERE queue = %(queue)s AND started_at IS NOT NULL '
            f'UNION ALL SELECT started_at FROM "{schema}".jobs WHERE queue = %(queue)s AND started_at IS NOT NULL '
            "ORDER BY 1".encode(),
            {"queue": queue},
        )
        return [row[0] for row in await cursor.fetchall()]


def most_within(moments: list[datetime], window: timedelta) -> int:
    """The most of these, in order, that lie in any one window."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


async def test_eight_processes_keep_a_rate_and_reach_it(new_chancy: Any, start: Any) -> None:
    """With a backlog, no sliding window has more starts than the limit, and some have as many."""
    limit = 50
    async with new_chancy() as chancy:
        await chancy.declare(Queue("api", rate_limit=limit, rate_limit_window=2))
        await asyncio.to_thread(start, 8)
        await chancy.wait_for_jobs(await chancy.push_many("api", [NAP] * (limit * 5)), timeout=WITHIN_S)
        moments = await starts(chancy, "api")
    # How much of the rate is used is for benchmarks/rate.py: here the machine may be busy.
    assert most_within(moments, timedelta(seconds=2)) == limit


async def test_few_jobs_leave_the_rest_of_the_rate(new_chancy: Any, until: Any) -> None:
    """What counts is what was started, not what would have been allowed: single jobs do not use the window up."""
    async with new_chancy() as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=20, rate_limit_window=3600))
        for _ in range(20):
            await (await chancy.push("api", NAP)).wait(timeout=WITHIN_S)
        late = await chancy.push("api", NAP)
        await (await chancy.push(NAP)).wait(timeout=WITHIN_S)
        await asyncio.sleep(0.3)
        assert (await late.get()).state is State.PENDING


async def test_there_is_no_double_burst_at_an_edge(new_chancy: Any) -> None:
    """Starts late in one second leave no room for as many early in the next."""
    async with new_chancy() as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=10))
        await (await chancy.push("api", NAP)).wait(timeout=WITHIN_S)
        await asyncio.sleep(0.8)
        references = await chancy.push_many("api", [NAP] * 30)
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        moments = await starts(chancy, "api")
    assert most_within(moments, timedelta(seconds=1)) == 10


async def test_a_retry_counts_as_another_start(new_chancy: Any, query: Any) -> None:
    """A job that is tried three times is three starts."""
    async with new_chancy() as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=10, rate_limit_window=60))
        job = Job(func="limited_jobs.give_up", max_attempts=3, backoff=Backoff(base_s=0.01, factor=1))
        assert (await (await chancy.push("api", job)).wait(timeout=WITHIN_S)).state is State.FAILED
        assert query("SELECT sum(count)::int FROM {s}.limits_starts") == [(3,)]


async def test_what_counts_stays_small(new_chancy: Any, query: Any, until: Any) -> None:
    """However many jobs start in a window, few rows remember them; and what has left the window is forgotten."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("api", concurrency=2, rate_limit=1_000_000, rate_limit_window=0.1))
        references = await chancy.push_many("api", [NAP] * 1000)
        async with Worker(chancy):
            await chancy.wait_for_jobs(references, timeout=WITHIN_S)
            await asyncio.sleep(0.15)
            await (await chancy.push("api", NAP)).wait(timeout=WITHIN_S)
        ((rows, started),) = query("SELECT count(*), sum(count) FROM {s}.limits_starts")
        assert rows <= 502
        assert started < 1001
        query("UPDATE {s}.limits_starts SET at = at - interval '2 minutes'")
        query("INSERT INTO {s}.limits_starts VALUES ('gone', now() - interval '1 hour', 1)")
        query("INSERT INTO {s}.limits_starts VALUES ('gone', now() - interval '3 days', 1)")
        plugin = chancy.plugins.loaded[0].plugin
        plugin.interval = 0.05
        async with Worker(chancy):
            await until(lambda: query("SELECT queue, count(*) FROM {s}.limits_starts GROUP BY 1") == [("gone", 1)])
