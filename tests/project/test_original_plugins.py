"""What the documentation of Chancy 0 shows of its plugins runs here, where they are installed."""

from __future__ import annotations

import pytest
from original_jobs import ping
from support import WITHIN_S

from chancy import Chancy, Queue, Worker

Cron = pytest.importorskip("chancy.plugins.cron").Cron
Leadership = pytest.importorskip("chancy.plugins.leadership").Leadership
Limits = pytest.importorskip("chancy.plugins.limits").Limits
Pruner = pytest.importorskip("chancy.plugins.pruner").Pruner


async def test_cron_pushes_a_job_again_and_again(dsn, schema, query, until):
    """`Cron.schedule(chancy, "*/2 * * * *", hello.job.with_unique_key(…))`, its times, and `Cron.unschedule`."""
    async with Chancy(dsn, schema=schema, plugins=[Leadership(), Cron()]) as chancy:
        await Cron.schedule(chancy, "*/2 * * * *", ping.job.with_unique_key("ping_cron"))
        (schedule,) = await Cron.get_schedules(chancy)
        assert (schedule.name, schedule.cron, schedule.job.unique_key) == ("ping_cron", "*/2 * * * *", "ping_cron")
        assert schedule.next_at.minute % 2 == 0
        async with Worker(chancy):
            # As if the time had come.
            query(
                "UPDATE {s}.cron_schedules SET next_at = date_trunc('minute', now()) - interval '1 minute', "
                "wake_at = now()"
            )
            await until(lambda: query("SELECT 1 FROM {s}.finished_jobs WHERE state = 'succeeded'"), WITHIN_S)
        await Cron.unschedule(chancy, "ping_cron")
        assert await Cron.get_schedules(chancy) == []


async def test_several_jobs_go_by_one_schedule(dsn, schema):
    """`Cron.schedule(chancy, cron, first, second)`; scheduled anew, the later one holds."""
    async with Chancy(dsn, schema=schema, plugins=[Cron()]) as chancy:
        first, second = (ping.job.with_unique_key(key) for key in ("one", "two"))
        await Cron.schedule(chancy, "*/2 * * * *", first, second)
        await Cron.schedule(chancy, "0 3 * * *", first, name="one")
        found = {schedule.name: schedule.cron for schedule in await Cron.get_schedules(chancy)}
    assert found == {"one": "0 3 * * *", "two": "*/2 * * * *"}


async def test_a_queue_has_a_rate_for_all_workers(dsn, schema):
    """`Queue(name="default", rate_limit=10, rate_limit_window=60)`."""
    async with Chancy(dsn, schema=schema, plugins=[Limits()]) as chancy:
        await chancy.declare(Queue(name="default", rate_limit=1, rate_limit_window=3600), upsert=True)
        references = await chancy.push_many([ping, ping])
        async with Worker(chancy):
            await chancy.wait_for_job(references[0], timeout=WITHIN_S)
            assert (await chancy.get_job(references[1])).attempts == 0


async def test_a_worker_has_leadership_and_a_pruner(dsn, schema, until):
    """`plugins=[Pruner(), Leadership()]`, without `Recovery`, which is built in."""
    leadership = Leadership()
    async with Chancy(dsn, schema=schema, plugins=[Pruner(), leadership]) as chancy:
        await chancy.migrate()
        async with Worker(chancy):
            await until(lambda: leadership.term is not None, WITHIN_S)
            assert (await chancy.wait_for_job(await chancy.push(ping), timeout=WITHIN_S)).state == "succeeded"
