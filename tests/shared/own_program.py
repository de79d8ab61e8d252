"""A program with a worker of its own, which logs as any program does. Arguments: DSN, schema, functions to run."""

from __future__ import annotations

import asyncio
import logging
import sys

from chancy import Chancy, Job, Worker
from chancy_core.log import log


async def main(dsn: str, schema: str, *funcs: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(filename)s %(message)s")
    async with Chancy(dsn, schema=schema, discover=False) as chancy, Worker(chancy):
        for func in funcs:
            await (await chancy.push(Job(func=func))).wait()
            log.info("event_written", after=func)


asyncio.run(main(*sys.argv[1:]))
