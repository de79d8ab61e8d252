"""A system that does its work has no findings, whatever is installed and however much it has to do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from chancy import Chancy, Job, Queue
from chancy.plugin import find_problems


async def test_nothing_is_wrong_with_a_system_that_works(chancy, worker, doctor, cli):
    """Every plugin of this repository is installed; jobs have run, one has failed, one is scheduled."""
    running = await worker("--tag", "gpu")
    await chancy.declare(Queue("render", tags=["gpu"]))
    await chancy.declare(Queue("slow", rate_limit=5, rate_limit_window=60, global_concurrency=1))
    done = await chancy.push_many([Job(func="shop_jobs.ok", queue=name) for name in ("default", "render", "slow")])
    failed = await chancy.push(Job(func="shop_jobs.fails"))
    for reference in [*done, failed]:
        await reference.wait(timeout=120)
    await chancy.push(Job(func="shop_jobs.ok", scheduled_at=datetime.now(UTC) + timedelta(hours=1)))
    assert doctor() == []
    said = cli("doctor")
    assert said.code == 0
    assert said.out.startswith("Nothing is wrong in schema ")
    assert not running.events("finding")


async def test_nothing_is_wrong_under_load(dsn, schema, worker, until):
    """While two workers drain thousands of jobs, of which one in a hundred fails, every look finds nothing."""
    async with Chancy(dsn, schema=schema) as chancy:
        await worker()
        await worker()
        jobs = [Job(func="shop_jobs.fails" if number % 100 == 0 else "shop_jobs.ok") for number in range(4000)]
        pushed = asyncio.ensure_future(chancy.push_many(jobs))
        looks = 0
        while not pushed.done() or (await chancy.count_jobs()) != {}:
            assert await find_problems(chancy, within_s=60) == []
            looks += 1
        assert looks
