"""pgqueuer: asyncpg, large batches, its autovacuum settings applied, durable tables."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

NAME = "pgqueuer 1.6"
PACKAGES = ("pgqueuer==1.6.0", "asyncpg==0.32.0", "uvloop==0.23.0")
IMPORT = "import asyncpg; from pgqueuer import PgQueuer"
# A drain of so many takes some seconds.
JOBS = 30_000
# And of jobs of another shape.
SHAPES = {"plain": 5_000, "sleeps": 5_000, "raises": 5_000, "raises20": 3_000}
HOW = "asyncpg, batches of 500, autovacuum settings as recommended, tables durable"
BATCH = 500
SPAN = """
    SELECT count(*) FILTER (WHERE status = 'successful'), min(created) FILTER (WHERE status = 'picked'), max(created)
    FROM pgqueuer_log WHERE created >= %(since)s AND status IN ('picked', 'successful')
    """
SPAN_RAISED = SPAN.replace("'successful'", "'exception'")
# The trigger notifies for each statement; rows that only lie there need not.
_FILL = """
    SET session_replication_role = replica;
    INSERT INTO pgqueuer (priority, entrypoint, payload, status, execute_after)
    SELECT {priority}, {entrypoint}, '{{"n": -1, "pushed_at": 0}}', 'queued', {execute_after}
    FROM generate_series(1, %(count)s) AS n;
    RESET session_replication_role
    """
_QUEUED = {"priority": "0", "entrypoint": "'nothing'", "execute_after": "now()"}
FILLS = {
    "finished": """
        INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint)
        SELECT n, status::pgqueuer_status, 0, 'old'
        FROM generate_series(1, %(count)s) AS n, unnest(ARRAY['queued', 'picked', 'successful']) AS status
        """,
    "scheduled": _FILL.format(**_QUEUED | {"priority": "10", "execute_after": "now() + interval '1 day'"}),
    "backlog": _FILL.format(**_QUEUED | {"priority": "0"}),
    "others": _FILL.format(**_QUEUED | {"priority": "10", "entrypoint": "'other' || n %% 10"}),
}


async def install(dsn: str) -> None:
    import asyncpg
    from pgqueuer import AsyncpgDriver, Queries

    connection = await asyncpg.connect(dsn)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    await queries.optimize_autovacuum()
    await connection.close()


class Producer:
    def __init__(self, queries: Any) -> None:
        self._queries = queries

    def jobs(self, numbers: Iterable[int]) -> list[bytes]:
        from peer_run import padding

        return [json.dumps({"n": n, "pushed_at": 0.0, **padding}).encode() for n in numbers]

    async def push(self, n: int, pushed_at: float) -> None:
        await self._queries.enqueue("nothing", json.dumps({"n": n, "pushed_at": pushed_at}).encode(), 0)

    async def push_many(self, jobs: list[bytes]) -> None:
        await self._queries.enqueue(["nothing"] * len(jobs), jobs, [0] * len(jobs))


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    import asyncpg
    from pgqueuer import AsyncpgPoolDriver, Queries

    async with asyncpg.create_pool(dsn, min_size=2, max_size=10) as pool:
        yield Producer(Queries(AsyncpgPoolDriver(pool)))


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:
    import asyncpg
    from peer_run import act, begin, is_plain
    from pgqueuer import AsyncpgDriver, PgQueuer

    logging.getLogger("pgqueuer").setLevel(logging.ERROR)
    connection = await asyncpg.connect(dsn)
    queue = PgQueuer(AsyncpgDriver(connection))

    loop = asyncio.get_running_loop()
    # It runs no plain functions; this is how it says to do it. Without a limit of its own it is faster.
    threads = ThreadPoolExecutor(concurrency)

    def plain(job: Any) -> None:
        begin(json.loads(job.payload)["pushed_at"])
        act()

    @queue.entrypoint("nothing")
    async def nothing(job: Any) -> None:
        if is_plain():
            await loop.run_in_executor(threads, plain, job)
        else:
            plain(job)

    task = asyncio.create_task(queue.qm.run(batch_size=BATCH))
    yield
    queue.shutdown.set()
    await task
    await connection.close()
