"""A child: one worker process, as `chancy worker` runs it.

Arguments: DSN, schema, concurrency; then the names of plugins, if it has any. With `--quiet` nothing is logged, where
jobs fail on purpose: nobody is measured by where they write their log.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from chancy_core.cli.garbage import collect_less, keep_all

collect_less()

from benchmarks.children import say  # noqa: E402 -- as `chancy` does
from benchmarks.work import plugins  # noqa: E402
from chancy import Chancy, Worker  # noqa: E402
from chancy_core.worker.process import loop_factory  # noqa: E402

QUIET = "--quiet"


async def main(dsn: str, schema: str, concurrency: str, *names: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    chancy = Chancy(dsn, schema=schema, discover=False, plugins=plugins(names))
    async with chancy, Worker(chancy, concurrency=int(concurrency)):
        keep_all()
        say("ready")
        while await reader.readline():
            say(time.process_time())


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    given = [argument for argument in sys.argv[1:] if argument != QUIET]
    if QUIET in sys.argv:
        logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(*given))
