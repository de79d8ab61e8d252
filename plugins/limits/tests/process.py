"""A worker in a process of its own: `process.py DSN SCHEMA [CONCURRENCY [stop]]`. Prints `works` when it does.

With `stop`, it stops in the middle of its first claim, while it holds the queue's lock.
"""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from chancy import Chancy, Worker, hookimpl
from chancy.plugins.limits import Limits

sys.path.insert(0, str(Path(__file__).parent))


class Stopping(Limits):
    @hookimpl
    async def claim_budget(self, queue, wanted, connection):
        budget = await super().claim_budget(queue, wanted, connection)
        held = await connection.execute(
            "SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND granted"
        )
        assert held.rowcount == 1
        os.kill(os.getpid(), signal.SIGSTOP)
        return budget


async def main(dsn: str, schema: str, concurrency: str = "20", stop: str = "") -> None:
    chancy = Chancy(dsn, schema=schema, discover=False, plugins=[Stopping() if stop else Limits()])
    async with chancy, Worker(chancy, concurrency=int(concurrency), lease_s=3) as worker:
        print("works", flush=True)  # noqa: T201 -- that is how it tells
        await worker.wait_for_shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(*sys.argv[1:]))
