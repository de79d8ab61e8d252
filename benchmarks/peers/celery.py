"""Celery on Redis, for orientation: jobs are functions on threads, because it runs no coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any

NAME = "Celery 5.7 + Redis"
PACKAGES = ("celery[redis]==5.7.0", "hiredis==3.5.0")
IMPORT = "from celery import Celery"
# A drain of so many takes some seconds.
JOBS = 1_500
# And of jobs of another shape.
SHAPES = {"plain": 1_500, "sleeps": 1_500, "children": 1_000, "raises": 500, "raises20": 500}
# So many steps of workflows, by their shape: its own chains nest, and are short.
FLOWS = {"fan_in": 1_000, "chain": 100, "tens": 300}
HOW = "threads, results kept in Redis, which appends each command to its file and syncs it"


@functools.cache
def _app(dsn: str) -> tuple[Any, Any]:
    from celery import Celery
    from peer_run import act, begin

    app = Celery("bench", broker=dsn, backend=dsn, set_as_current=True)
    app.conf.update(worker_prefetch_multiplier=10, broker_pool_limit=50, worker_hijack_root_logger=False)

    @app.task(name="nothing")
    def nothing(n: int, pushed_at: float) -> None:  # noqa: ARG001
        begin(pushed_at)
        act()

    app.finalize()
    # For its own threads, and ours: chords ask for the app that is current there.
    app.set_default()
    return app, nothing


async def install(dsn: str) -> None:
    """Nothing to do: Redis has no schema."""


class Producer:
    def __init__(self, app: Any, task: Any) -> None:
        self._app = app
        self._task = task

    def jobs(self, numbers: Iterable[int]) -> list[Any]:
        return list(numbers)

    async def push(self, n: int, pushed_at: float) -> None:
        await asyncio.to_thread(self._task.delay, n, pushed_at)

    async def push_many(self, jobs: list[Any]) -> None:
        def push() -> None:
            with self._app.producer_pool.acquire(block=True) as producer:
                for n in jobs:
                    self._task.apply_async((n, 0.0), producer=producer)

        await asyncio.to_thread(push)

    async def fan_in(self, count: int) -> None:
        await self._ended([self._chord(count)])

    async def chain(self, count: int) -> None:
        from celery import chain

        await self._ended([chain(*(self._task.si(n, 0.0) for n in range(count)))])

    async def tens(self, count: int) -> None:
        from celery import chain

        await self._ended([chain(self._task.si(0, 0.0), self._chord(8)) for _ in range(count // 10)])

    def _chord(self, count: int) -> Any:
        from celery import chord

        return chord([self._task.si(n, 0.0) for n in range(count)], self._task.si(-1, 0.0))

    async def _ended(self, flows: list[Any]) -> None:
        def wait() -> None:
            for result in [flow.apply_async() for flow in flows]:
                result.get()

        await asyncio.to_thread(wait)

    async def left(self) -> int:
        client = self._app.backend.client

        def count() -> int:
            return int(client.llen("celery")) + int(client.hlen("unacked"))

        return await asyncio.to_thread(count)

    async def clear(self) -> None:
        await asyncio.to_thread(self._app.backend.client.flushdb)


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    yield Producer(*_app(dsn))


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:
    from peer_run import shape

    logging.getLogger("celery").setLevel(logging.ERROR)
    app, _ = _app(dsn)
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    controller = app.WorkController(
        concurrency=concurrency,
        pool_cls="prefork" if shape == "children" else "threads",
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
        ready_callback=lambda _: loop.call_soon_threadsafe(ready.set),
        loglevel="ERROR",
    )
    thread = threading.Thread(target=controller.start, daemon=True)
    thread.start()
    await ready.wait()
    yield
    await asyncio.to_thread(controller.stop)
