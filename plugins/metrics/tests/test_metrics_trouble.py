"""A database that cannot be looked at is told in the plugin's status, where `chancy doctor` finds it."""

from __future__ import annotations

from chancy import Worker
from chancy.plugins.metrics import Metrics


async def test_a_reading_that_fails_was_told_by_the_log_alone(new_chancy, until, query):
    """A view was dropped: what it is, as long as it lasts, and not longer."""
    metrics = Metrics(port=0, interval=1)
    async with new_chancy(metrics) as chancy:
        await chancy.migrate()
        query("ALTER VIEW {s}.queues_v1 RENAME TO gone")
        async with Worker(chancy, lease_s=2):
            metrics.collect()
            await until(lambda: [*metrics.collect()] and metrics.trouble() is not None)
            assert "queues_v1" in str(metrics.trouble())

            async def told():
                (worker,) = await chancy.get_workers()
                plugins = worker.status.plugins if worker.status else []
                return any("the database cannot be read" in (one.error or "") for one in plugins)

            await until(told)
            query("ALTER VIEW {s}.gone RENAME TO queues_v1")
            await until(lambda: metrics.trouble() is None)
