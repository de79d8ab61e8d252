"""saq on Redis, for orientation."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

NAME = "saq 0.26 + Redis"
PACKAGES = ("saq[redis,hiredis]==0.26.4", "typing-extensions==4.16.0", "uvloop==0.23.0")
IMPORT = "from saq import Worker; from saq.queue.redis import RedisQueue"
# A drain of so many takes some seconds.
JOBS = 5_000
HOW = "Redis appends each command to its file and syncs it"


async def nothing(ctx: Any, *, n: int, pushed_at: float) -> None:  # noqa: ARG001
    from peer_run import begin

    begin(pushed_at)


async def install(dsn: str) -> None:
    """Nothing to do: Redis has no schema."""


class Producer:
    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def jobs(self, numbers: Iterable[int]) -> list[Any]:
        return [{"n": n, "pushed_at": 0.0} for n in numbers]

    async def push(self, n: int, pushed_at: float) -> None:
        await self._queue.enqueue("nothing", n=n, pushed_at=pushed_at)

    async def push_many(self, jobs: list[Any]) -> None:
        # It has no call for several; its own throttle lets twenty go at a time.
        for start in range(0, len(jobs), 1000):
            await asyncio.gather(*(self._queue.enqueue("nothing", **job) for job in jobs[start : start + 1000]))

    async def left(self) -> int:
        count: int = await self._queue.count("incomplete")
        return count

    async def clear(self) -> None:
        await self._queue.redis.flushdb()


@contextlib.asynccontextmanager
async def _queue(dsn: str) -> AsyncIterator[Any]:
    from saq.queue.redis import RedisQueue

    logging.getLogger("saq").setLevel(logging.ERROR)
    queue = RedisQueue.from_url(dsn)
    await queue.connect()
    yield queue
    await queue.disconnect()


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    async with _queue(dsn) as queue:
        yield Producer(queue)


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:
    from saq import Worker

    async with _queue(dsn) as queue:
        running = Worker(queue, [("nothing", nothing)], concurrency=concurrency)
        running.SIGNALS = []
        task = asyncio.create_task(running.start())
        yield
        await running.stop()
        await task
