"""A child: one worker process, as `chancy worker` runs it.

Arguments: DSN, schema, concurrency; then the names of plugins, if it has any.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable

from benchmarks.children import say
from benchmarks.work import plugins
from chancy import Chancy, Worker


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """As `chancy worker` chooses it."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


async def main(dsn: str, schema: str, concurrency: str, *names: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    chancy = Chancy(dsn, schema=schema, discover=False, plugins=plugins(names))
    async with chancy, Worker(chancy, concurrency=int(concurrency)):
        say("ready")
        while await reader.readline():
            say(time.process_time())


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(*sys.argv[1:]))
