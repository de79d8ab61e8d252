"""A worker in a process of its own, to be killed: `worker_child.py DSN SCHEMA SCHEDULES NAME [LEASE_S]`.

With a lease it also stands for election.
"""

import asyncio
import sys

from chancy import Chancy, Worker
from chancy_cron import Cron


async def work(dsn: str, schema: str, count: int, name: str, lease_s: float | None) -> None:
    # Whatever the machine has to do meanwhile: no time may be left out.
    every_second = {"cron": "* * * * * *", "job": "cron_jobs.note", "missed": "all", "missed_max": 10_000}
    tables = [{"name": f"s{n}", **every_second} for n in range(count)]
    plugins = [Cron(schedules=tables, keep_fires=10_000)]
    if lease_s is not None:
        from chancy_leadership import Leadership  # noqa: PLC0415 -- most tests do without

        plugins.append(Leadership(lease_s=lease_s))
    async with (
        Chancy(dsn, schema=schema, discover=False, plugins=plugins) as chancy,
        Worker(chancy, name=name, lease_s=5) as worker,
    ):
        await worker.wait_for_shutdown()


if __name__ == "__main__":
    dsn, schema, count, name, *lease = sys.argv[1:]
    asyncio.run(work(dsn, schema, int(count), name, float(lease[0]) if lease else None))
