"""procrastinate: one statement a job and outcome, on a pool of connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

NAME = "procrastinate 3.10"
PACKAGES = ("procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9", "uvloop==0.23.0")
IMPORT = "from procrastinate import App, PsycopgConnector"
# A drain of so many takes some seconds.
JOBS = 1_500
# And of jobs of another shape.
SHAPES = {"plain": 1_500, "sleeps": 1_500, "raises": 1_000, "raises20": 1_000}
HOW = "concurrency 100 on a pool of 10 connections"
SPAN = """
    SELECT count(*) FILTER (WHERE type = 'succeeded'), min(at) FILTER (WHERE type = 'started'), max(at)
    FROM procrastinate_events WHERE at >= %(since)s AND type IN ('started', 'succeeded')
    """
SPAN_RAISED = SPAN.replace("'succeeded'", "'failed'")
# The triggers write an event for each row, and notify; rows that only lie there need neither.
_FILL = """
    SET session_replication_role = replica;
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, status, scheduled_at, args)
    SELECT {queue}, 'nothing', {priority}, {status}, {scheduled_at}, '{{"n": -1, "pushed_at": 0}}'
    FROM generate_series(1, %(count)s) AS n;
    RESET session_replication_role
    """
_TODO = {"queue": "'default'", "priority": "0", "status": "'todo'", "scheduled_at": "NULL"}
FILLS = {
    "finished": _FILL.format(**_TODO | {"status": "'succeeded'"}),
    "scheduled": _FILL.format(**_TODO | {"priority": "10", "scheduled_at": "now() + interval '1 day'"}),
    "backlog": _FILL.format(**_TODO | {"priority": "0"}),
    "others": _FILL.format(**_TODO | {"priority": "10", "queue": "'other' || n %% 10"}),
}


def _app(dsn: str) -> tuple[Any, Any]:
    from peer_run import act, begin, is_plain
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=dsn, min_size=1, max_size=10))

    def plain(n: int, pushed_at: float, data: Any = None) -> None:  # noqa: ARG001
        begin(pushed_at)
        act()

    async def nothing(n: int, pushed_at: float, data: Any = None) -> None:  # noqa: ARG001
        plain(n, pushed_at)

    return app, app.task(queue="default", name="nothing")(plain if is_plain() else nothing)


async def install(dsn: str) -> None:
    app, _ = _app(dsn)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


class Producer:
    def __init__(self, task: Any) -> None:
        self._task = task

    def jobs(self, numbers: Iterable[int]) -> list[Any]:
        from peer_run import padding

        return [{"n": n, "pushed_at": 0.0, **padding} for n in numbers]

    async def push(self, n: int, pushed_at: float) -> None:
        await self._task.defer_async(n=n, pushed_at=pushed_at)

    async def push_many(self, jobs: list[Any]) -> None:
        await self._task.batch_defer_async(*jobs)


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    app, task = _app(dsn)
    async with app.open_async():
        yield Producer(task)


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:
    app, _ = _app(dsn)
    async with app.open_async():
        task = asyncio.create_task(
            app.run_worker_async(queues=["default"], concurrency=concurrency, install_signal_handlers=False)
        )
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
