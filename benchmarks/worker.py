"""A child: one worker process, as `chancy worker` runs it.

Arguments: DSN, schema, concurrency.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from benchmarks.children import say
from chancy import Chancy, Worker


async def main(dsn: str, schema: str, concurrency: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Chancy(dsn, schema=schema) as chancy, Worker(chancy, concurrency=int(concurrency)):
        say("ready")
        while await reader.readline():
            say(time.process_time())


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(*sys.argv[1:]))
