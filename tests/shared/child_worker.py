"""A worker in a process of its own: `child_worker.py <options as JSON>`.

It prints its name once signals reach it, and exits with how it stopped. What it logs goes to stderr.
"""

import asyncio
import json
import logging
import pkgutil
import sys
from collections.abc import Sequence

from chancy_core.app import Chancy
from chancy_core.worker import Stopped, Worker


async def main(
    dsn: str,
    schema: str,
    *,
    worker: dict[str, object],
    plugins: Sequence[str] = (),
    path: Sequence[str] = (),
    **settings: object,
) -> Stopped:
    sys.path += path
    made = [pkgutil.resolve_name(name)() for name in plugins]
    chancy = Chancy(dsn, schema=schema, discover=False, plugins=made, **settings)
    async with chancy, Worker(chancy, **worker) as running:
        stopped = asyncio.create_task(running.wait_for_shutdown())
        await asyncio.sleep(0)
        print(running.name, flush=True)  # noqa: T201 -- that is how it tells
        return await stopped


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    sys.exit(asyncio.run(main(**json.loads(sys.argv[1]))))
