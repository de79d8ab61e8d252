"""The original chancy, as of PyPI: the AsyncExecutor, eager polling, outcomes written as soon as its API allows."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

NAME = "chancy 0.26"
PACKAGES = ("chancy==0.26.0", "psycopg[binary]==3.3.9", "uvloop==0.23.0")
IMPORT = "from chancy import Chancy, Worker"
# A drain of so many takes some seconds.
JOBS = 8_000
# So many steps of workflows, by their shape.
FLOWS = {"fan_in": 300, "chain": 20, "tens": 100}
LOOK_EVERY_S = 0.02
HOW = "AsyncExecutor, eager polling, outcomes written every 20 ms"
# How many finished, when the first started, and when the last was recorded: now, because it keeps no such time.
SPAN = """
    SELECT count(*), min(started_at), now()
    FROM chancy_jobs WHERE state = 'succeeded' AND started_at >= %(since)s
    """
_FILL = """
    INSERT INTO chancy_jobs (
        id, queue, func, kwargs, priority, max_attempts, state, scheduled_at, started_at, completed_at
    )
    SELECT (lpad(to_hex(n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
           {queue}, 'peer_driver.nothing', '{{"n": -1, "pushed_at": 0}}', {priority}, 1, {state}, {scheduled_at},
           {ran_at}, {ran_at}
    FROM generate_series(1, %(count)s) AS n
    """
_PENDING = {"queue": "'default'", "priority": "0", "state": "'pending'", "scheduled_at": "now()", "ran_at": "NULL"}
# Here a higher number is more urgent.
FILLS = {
    "finished": _FILL.format(**_PENDING | {"state": "'succeeded'", "ran_at": "now()"}),
    "scheduled": _FILL.format(**_PENDING | {"priority": "10", "scheduled_at": "now() + interval '1 day'"}),
    "backlog": _FILL.format(**_PENDING | {"priority": "0"}),
    "others": _FILL.format(**_PENDING | {"priority": "10", "queue": "'other' || n %% 10"}),
}


async def nothing(*, n: int, pushed_at: float) -> None:  # noqa: ARG001
    from peer_run import begin

    begin(pushed_at)


def _app(dsn: str) -> Any:
    from chancy.plugins.leadership import Leadership
    from chancy.plugins.workflow import WorkflowPlugin
    from peer_run import shape

    from chancy import Chancy

    log = logging.getLogger("quiet")
    log.setLevel(logging.ERROR)
    if shape == "flows":
        # Only a leader moves workflows on, and the first one is elected after a minute.
        return Chancy(
            dsn, log=log, plugins=[Leadership(poll_interval=1, timeout=5), WorkflowPlugin(polling_interval=1)]
        )
    return Chancy(dsn, log=log)


async def install(dsn: str) -> None:
    from chancy import Chancy, Queue

    async with _app(dsn) as app:
        await app.migrate()
        queue = Queue("default", concurrency=100, executor=Chancy.Executor.Async, eager_polling=True)
        await app.declare(queue, upsert=True)


class Producer:
    def __init__(self, app: Any) -> None:
        self._app = app

    def jobs(self, numbers: Iterable[int]) -> list[Any]:
        return [self._job(n, 0.0) for n in numbers]

    def _job(self, n: int, pushed_at: float) -> Any:
        from chancy import Job

        return Job(
            func="peer_driver.nothing",
            kwargs={"n": n, "pushed_at": pushed_at},
            scheduled_at=dt.datetime.now(tz=dt.UTC),
        )

    async def push(self, n: int, pushed_at: float) -> None:
        await self._app.push(self._job(n, pushed_at))

    async def push_many(self, jobs: list[Any]) -> None:
        async for _ in self._app.push_many(jobs):
            pass

    async def fan_in(self, count: int) -> None:
        first = {f"s{n}": [] for n in range(count)}
        await self._ended([{**first, "last": list(first)}])

    async def chain(self, count: int) -> None:
        await self._ended([{f"s{n}": [f"s{n - 1}"] * (n > 0) for n in range(count)}])

    async def tens(self, count: int) -> None:
        middle = {f"s{n}": ["first"] for n in range(8)}
        await self._ended([{"first": [], **middle, "last": list(middle)}] * (count // 10))

    async def _ended(self, graphs: list[dict[str, list[str]]]) -> None:
        from chancy.plugins.workflow import Workflow, WorkflowPlugin

        ids = []
        for graph in graphs:
            flow = Workflow("bench")
            for name, after in graph.items():
                flow.add(name, self._job(0, 0.0), after)
            ids.append(await WorkflowPlugin.push(self._app, flow))
        for id_ in ids:
            await WorkflowPlugin.wait_for_workflow(self._app, id_, interval=LOOK_EVERY_S)


@contextlib.asynccontextmanager
async def producer(dsn: str) -> AsyncIterator[Producer]:
    async with _app(dsn) as app:
        yield Producer(app)


@contextlib.asynccontextmanager
async def worker(dsn: str, concurrency: int) -> AsyncIterator[None]:  # noqa: ARG001 -- the queue says it
    from chancy import Worker

    async with _app(dsn) as app:
        running = Worker(app, register_signal_handlers=False)
        running.send_outgoing_interval = 0.02
        async with running:
            yield
