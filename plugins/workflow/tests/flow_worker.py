"""A worker in a process of its own, which tests kill: `flow_worker.py DSN SCHEMA with|without`, the plugin."""

import asyncio
import sys

from chancy import Chancy, Worker
from chancy_workflow import Workflows


async def main(dsn: str, schema: str, how: str) -> None:
    """Work until it is killed."""
    plugins = [Workflows(interval=0.1)] if how == "with" else []
    chancy = Chancy(dsn, schema=schema, discover=False, plugins=plugins)
    async with chancy, Worker(chancy, lease_s=LEASE_S):
        print("ready", flush=True)  # noqa: T201 -- that is how it tells
        await asyncio.Event().wait()


# The jobs of a worker that was killed are taken back after one quiet lease.
LEASE_S = 2.0

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
