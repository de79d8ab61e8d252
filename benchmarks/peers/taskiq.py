"""taskiq on Redis, for orientation: a list of which workers pop, functions of both kinds."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

NAME = "taskiq 0.13 + Redis"
PACKAGES = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "hiredis==3.5.0", "uvloop==0.23.0")
IMPORT = "import taskiq; from taskiq_redis import RedisStreamBroker"
# A drain of so many takes some seconds.
JOBS = 3_000
# And of jobs of another shape.
SHAPES = {"plain": 3_000, "sleeps": 3_000, "raises": 1_000, "raises20": 1_000}
HOW = "a stream, of which a job is told the end when it has run; Redis appends each command to its file and syncs it"


@functools.cache
def _task(dsn: str) -> Any:
    from peer_run import act, begin, is_plain
    from taskiq_redis import RedisStreamBroker

    broker = RedisStreamBroker(url=dsn)

    def plain(n: int, pushed_at: float) -> None:  # noqa: ARG001
        begin(pushed_at)
        act()

    async def nothing(n: int, pushed_at: float) -> None:
        plain(n, pushed_at)

    return broker.register_task(plain if is_plain() else nothing, task_name="nothing")


async def install(dsn: str) -> None:
    """Nothing to do: Redis has no schema."""


class Producer:
    def __init__(self, task: Any, client: Any) -> None:
        self._task = task
        self._client = client

    def jobs(self, numbers: Iterable[int]) -> list[Any]:
        return list(numbers)

    async def push(self, n: int, pushed_at: float) -> None:
        await self._task.kiq(n, pushed_at)

    async def push_many(self, jobs: list[Any]) -> None:
        # It has no call for several.
        for start in range(0, len(jobs), 100):
            await asyncio.gather(*(self._task.kiq(n, 0.0) for n in jobs[start : start + 100]))

    async def left(self) -> int:
        from redis import ResponseError

        try:
            groups = await self._client.xinfo_groups("taskiq")
        except ResponseError:
            return 0
        # What nobody has read yet, and what is read and not acknowledged.
        return sum(int(group["lag"] or 0) + int(group["pending"]) for group in groups)

    async def clear(self) -> None:
        await self._client.flushdb()
        # The group that workers read as, which is to know of what is pushed before they come.
        await self._task.broker.startup()


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    from redis.asyncio import Redis

    task = _task(dsn)
    await task.broker.startup()
    client = Redis.from_url(dsn)
    yield Producer(task, client)
    await client.aclose()
    await task.broker.shutdown()


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:
    from taskiq.receiver import Receiver

    logging.getLogger("taskiq").setLevel(logging.CRITICAL)
    broker = _task(dsn).broker
    broker.is_worker_process = True
    finish = asyncio.Event()
    await broker.startup()
    with ThreadPoolExecutor(concurrency) as threads:
        receiver = Receiver(broker, threads, max_async_tasks=concurrency, run_startup=False)
        task = asyncio.create_task(receiver.listen(finish))
        yield
        finish.set()
        await task
    await broker.shutdown()
