"""A worker in a process of its own, to be killed: `worker_child.py DSN SCHEMA SCHEDULES`."""

import asyncio
import sys

from chancy import Chancy, Worker
from chancy_cron import Cron


async def work(dsn: str, schema: str, count: int) -> None:
    tables = [{"name": f"s{n}", "cron": "* * * * * *", "job": "cron_jobs.note"} for n in range(count)]
    plugin = Cron(schedules=tables, keep_fires=10_000)
    async with Chancy(dsn, schema=schema, discover=False, plugins=[plugin]) as chancy, Worker(chancy) as worker:
        await worker.wait_for_shutdown()


asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
