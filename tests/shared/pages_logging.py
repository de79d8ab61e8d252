"""A program with the plugin of the page about logging: jobs that log on the loop, in threads and in a child."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import structlog
from app.logs import JobInLogs, set_up

from chancy import Chancy, Queue, Worker, job

BOTH_RUN = asyncio.Event()


def said(how: str) -> None:
    logging.getLogger("library").info("said by %s", how)
    structlog.get_logger("app").info(f"said by {how}", by="structlog")


@job
async def on_loop(*, name: str) -> None:
    if name == "loop 1":
        BOTH_RUN.set()
    # Both run by now, on the same loop.
    await BOTH_RUN.wait()
    said(name)


@job
def in_thread(*, name: str) -> None:
    said(name)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(contextvars.copy_context().run, said, name).result()


@job(queue="children")
def elsewhere(*, name: str) -> None:
    said(name)


async def main() -> None:
    set_up()
    children = Queue("children", executor="process", executor_options={"initializer": "app.logs.set_up"})
    async with Chancy(plugins=[JobInLogs()]) as chancy:
        await chancy.declare(children)
        async with Worker(chancy):
            jobs = [on_loop.job.with_kwargs(name=f"loop {n}") for n in range(2)]
            jobs += [in_thread.job.with_kwargs(name="thread"), elsewhere.job.with_kwargs(name="child")]
            done = await chancy.wait_for_jobs(await chancy.push_many(jobs), timeout=300)
            said("nobody")
    sys.stdout.write(json.dumps({one.kwargs["name"]: str(one.id) for one in done}))
