"""dbos, for workflows: a function whose steps are recorded. What runs beside others is a workflow on a queue."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

NAME = "dbos 3.4"
PACKAGES = ("dbos==3.4.0", "psycopg[binary]==3.3.9")
IMPORT = "from dbos import DBOS"
# So many steps of workflows, by their shape.
FLOWS = {"fan_in": 300, "chain": 200, "tens": 500}
HOW = "steps after each other in one workflow; before one, a workflow each on a queue that is polled every 50 ms"
QUEUE = "bench"


@functools.cache
def _app(dsn: str) -> Any:
    from dbos import DBOS
    from peer_run import begin

    DBOS(config={"name": "bench", "system_database_url": dsn, "log_level": "ERROR", "application_version": "1"})

    @DBOS.step(name="nothing")
    async def nothing(n: int) -> None:  # noqa: ARG001
        begin(0.0)

    @DBOS.workflow(name="one")
    async def one(n: int) -> None:
        await nothing(n)

    @DBOS.workflow(name="fan_in")
    async def fan_in(count: int) -> None:
        handles = [await DBOS.enqueue_workflow_async(QUEUE, one, n) for n in range(count)]
        for handle in handles:
            await handle.get_result()
        await nothing(-1)

    @DBOS.workflow(name="chain")
    async def chain(count: int) -> None:
        for n in range(count):
            await nothing(n)

    @DBOS.workflow(name="ten")
    async def ten(count: int) -> None:
        await nothing(0)
        await asyncio.gather(*(nothing(n) for n in range(count - 2)))
        await nothing(1)

    return SimpleNamespace(DBOS=DBOS, keep=(one, fan_in, chain, ten))


async def install(dsn: str) -> None:
    app = _app(dsn).DBOS
    await asyncio.to_thread(app.launch)
    await app.register_queue_async(QUEUE, polling_interval_sec=0.05)
    await asyncio.to_thread(app.destroy)


class Producer:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def fan_in(self, count: int) -> None:
        await self._ended("fan_in", count, 1)

    async def chain(self, count: int) -> None:
        await self._ended("chain", count, 1)

    async def tens(self, count: int) -> None:
        await self._ended("ten", 10, count // 10)

    async def _ended(self, name: str, count: int, flows: int) -> None:
        options = {"workflow_name": name, "queue_name": QUEUE, "app_version": "1"}
        for handle in [await self._client.enqueue_async(options, count) for _ in range(flows)]:
            await handle.get_result(polling_interval_sec=0.02)


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    from dbos import DBOSClient

    client = DBOSClient(system_database_url=dsn)
    yield Producer(client)
    client.destroy()


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:  # noqa: ARG001 -- as many as there are
    app = _app(dsn).DBOS
    await asyncio.to_thread(app.launch)
    yield
    await asyncio.to_thread(app.destroy)
