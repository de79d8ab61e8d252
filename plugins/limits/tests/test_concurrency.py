"""`global_concurrency`: never exceeded, and used."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from chancy import Chancy, Job, Queue, QueuedJob, State, Worker
from chancy.testing import WITHIN_S


def nap(seconds: float) -> Job:
    return Job(func="limited_jobs.nap", kwargs={"seconds": seconds})


def most_at_once(jobs: list[QueuedJob]) -> int:
    """The most of these that ran at the same time, by their own account."""
    edges = sorted(edge for job in jobs for edge in ((job.result[0], 1), (job.result[1], -1)))
    most = now = 0
    for _, change in edges:
        now += change
        most = max(most, now)
    return most


async def test_four_processes_share_four_slots(new_chancy: Any, start: Any, query: Any) -> None:
    """With short jobs and a backlog, never more than four run, and four do."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("api", global_concurrency=4))
        await asyncio.to_thread(start, 4)
        references = await chancy.push_many("api", [nap(0.2)] * 80)
        watching = asyncio.create_task(_most_running(query))
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        watching.cancel()
        assert {job.state for job in jobs} == {State.SUCCEEDED}
        assert most_at_once(jobs) == 4
        assert _seen <= 4


_seen = 0


async def _most_running(query: Any) -> None:
    global _seen  # noqa: PLW0603
    while True:
        ((count,),) = await asyncio.to_thread(query, "SELECT count(*) FROM {s}.jobs WHERE state = 'running'")
        _seen = max(_seen, count)


async def test_workers_with_one_slot_each_share_two(new_chancy: Any, start: Any) -> None:
    """When no worker could use all slots, several run jobs at the same time, and never more than allowed."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("api", concurrency=1, global_concurrency=2))
        await asyncio.to_thread(start, 4)
        jobs = await chancy.wait_for_jobs(await chancy.push_many("api", [nap(0.1)] * 30), timeout=WITHIN_S)
        assert most_at_once(jobs) == 2
        assert len({job.worker for job in jobs}) >= 2


async def test_both_limits_hold_together(new_chancy: Any) -> None:
    """Of a rate and a concurrency, the tighter one decides at each moment."""
    async with new_chancy() as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=10, rate_limit_window=0.5, global_concurrency=3))
        jobs = await chancy.wait_for_jobs(await chancy.push_many("api", [nap(0.02)] * 25), timeout=WITHIN_S)
    assert most_at_once(jobs) <= 3
    started = sorted(job.started_at for job in jobs)
    assert all(late - early >= timedelta(seconds=0.5) for early, late in zip(started, started[10:], strict=False))


async def test_jobs_of_a_killed_worker_count_until_they_are_rescued(
    new_chancy: Any, start: Any, until: Any, query: Any
) -> None:
    """A slot that a killed worker held is free once its lease is over, and not before."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("api", global_concurrency=1))
        (process,) = await asyncio.to_thread(start, 1)
        lost = await chancy.push("api", nap(60).with_max_attempts(2))
        await until(lambda: query("SELECT id FROM {s}.jobs WHERE state = 'running'"))
        process.kill()
        waiting = await chancy.push("api", nap(0).with_priority(-1))
        async with Worker(chancy, lease_s=1, grace_s=0):
            ran = await waiting.wait(timeout=WITHIN_S)
            assert query("SELECT claims FROM {s}.jobs WHERE id = %s", lost.identifier)[0][0] >= 1
        assert ran.state is State.SUCCEEDED


async def test_works_without_notifications(new_chancy: Any, until: Any) -> None:
    """With notifications off, a slot that one worker leaves is found by another one at its polling interval."""
    async with new_chancy(notifications=False) as one, new_chancy(notifications=False) as two:
        await one.declare(Queue("api", global_concurrency=1, polling_interval=0.3))
        first = Worker(one)
        await first.start()
        await one.push("api", nap(0.5))
        await until(lambda: first.running)
        waiting = await one.push("api", nap(0))
        async with Worker(two):
            await first.stop()
            assert (await waiting.wait(timeout=WITHIN_S)).state is State.SUCCEEDED


def test_one_object_serves_one_application(new_chancy: Any) -> None:
    """A plugin object that is given to two applications says so."""

    async def main() -> None:
        async with new_chancy() as chancy, Worker(chancy):
            plugin = chancy.plugins.loaded[0].plugin
            other = Chancy(chancy.dsn, schema="elsewhere", discover=False, plugins=[plugin], auto_migrate=True)
            async with other:
                try:
                    await Worker(other).start()
                except Exception as error:
                    assert "give each its own" in str(error)  # noqa: PT017
                else:
                    raise AssertionError

    asyncio.run(main())
