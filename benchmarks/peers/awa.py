"""awa: its runtime is written in Rust and calls Python for each job."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

NAME = "awa 0.6"
PACKAGES = ("awa-pg==0.6.9", "uvloop==0.23.0")
IMPORT = "import awa"
# A drain of so many takes some seconds.
JOBS = 10_000
HOW = "queue storage, COPY, a pool of 20 connections"
SPAN = """
    SELECT coalesce(sum(completed_count), 0)::bigint, min((SELECT min(at) FROM unnest(attempted_ats) AS at)),
           max(finalized_at)
    FROM awa.receipt_completion_batches WHERE finalized_at >= %(since)s
    """
# Its rows lie where its own functions put them: they are pushed, not filled in.
FILLS: dict[str, str] = {}


@dataclass
class Nothing:
    n: int
    pushed_at: float


def _client(dsn: str) -> Any:
    import awa

    return awa.AsyncClient(dsn.replace("@/", "@localhost/"), max_connections=20)


async def install(dsn: str) -> None:
    client = _client(dsn)
    await client.migrate()
    await client.install_queue_storage(schema="awa")
    await client.close()


class Producer:
    def __init__(self, client: Any) -> None:
        self._client = client

    def jobs(self, numbers: Iterable[int]) -> list[Any]:
        return [Nothing(n, 0.0) for n in numbers]

    async def push(self, n: int, pushed_at: float) -> None:
        await self._client.insert(Nothing(n, pushed_at), queue="default")

    async def push_many(self, jobs: list[Any]) -> None:
        await self._client.enqueue_many_copy(jobs, queue="default")


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    client = _client(dsn)
    yield Producer(client)
    await client.close()


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:
    from peer_run import begin

    client = _client(dsn)

    @client.task(Nothing, queue="default")
    async def nothing(job: Any) -> None:
        begin(job.args.pushed_at)

    await client.start([{"name": "default", "max_workers": concurrency}])
    yield
    await client.shutdown()
    await client.close()
