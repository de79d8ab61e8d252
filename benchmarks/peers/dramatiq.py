"""dramatiq on Redis, for orientation: jobs are plain functions on threads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

NAME = "dramatiq 2.2 + Redis"
PACKAGES = ("dramatiq[redis]==2.2.1", "hiredis==3.5.0")
IMPORT = "import dramatiq; from dramatiq.brokers.redis import RedisBroker"
# A drain of so many takes some seconds.
JOBS = 3_000
# And of jobs of another shape.
SHAPES = {"plain": 3_000, "sleeps": 3_000, "raises": 1_000, "raises20": 1_000}
HOW = "threads, no results, no retries, Redis appends each command to its file and syncs it"


@functools.cache
def _actor(dsn: str) -> Any:
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker
    from peer_run import act, begin

    broker = RedisBroker(url=dsn)
    dramatiq.set_broker(broker)

    def nothing(n: int, pushed_at: float) -> None:  # noqa: ARG001
        begin(pushed_at)
        act()

    return dramatiq.actor(nothing, actor_name="nothing", max_retries=0)


async def install(dsn: str) -> None:
    """Nothing to do: Redis has no schema."""


class Producer:
    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def jobs(self, numbers: Iterable[int]) -> list[Any]:
        return [self._actor.message(n, 0.0) for n in numbers]

    async def push(self, n: int, pushed_at: float) -> None:
        await asyncio.to_thread(self._actor.send, n, pushed_at)

    async def push_many(self, jobs: list[Any]) -> None:
        def push() -> None:
            for message in jobs:
                self._actor.broker.enqueue(message)

        await asyncio.to_thread(push)

    async def left(self) -> int:
        client = self._actor.broker.client

        def count() -> int:
            # A message stays here until the worker that has taken it tells of its end.
            return int(client.hlen("dramatiq:default.msgs"))

        return await asyncio.to_thread(count)

    async def clear(self) -> None:
        await asyncio.to_thread(self._actor.broker.client.flushdb)


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    yield Producer(_actor(dsn))


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:
    from dramatiq import Worker

    logging.getLogger("dramatiq").setLevel(logging.CRITICAL)
    running = Worker(_actor(dsn).broker, worker_threads=concurrency)
    running.start()
    yield
    await asyncio.to_thread(running.stop)
