"""What is left when the whole server goes away."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hard_jobs
import jobs
import ledger
import psycopg
import pytest
from books import FINISHED, all_done, check_the_books, counts
from children import nursery
from support import WITHIN_S, captured_events, until

from chancy_core import embedded
from chancy_core.app import Chancy
from chancy_core.embedded import watcher
from chancy_core.errors import EmbeddedUnavailable
from chancy_core.store import tries
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker import Stopped, Worker
from chancy_core.worker.heartbeat import Heartbeat


class Server:
    """A server for one test, that can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._share = embedded.acquire(directory)
        self.dsn = self._share.dsn

    def stop(self, how: signal.Signals) -> None:
        """Stop it: SIGINT is a fast shutdown, SIGQUIT an immediate one. Returns once it is gone."""
        pid = watcher.postmaster(str(self._directory / "data"))
        assert pid is not None
        os.kill(pid, how)
        lock = str(self._directory / "server.lock")
        _until_sync(lambda: not watcher.is_locked(lock))

    def start(self) -> None:
        before, self._share = self._share, embedded.acquire(self._directory)
        before.close()
        assert self._share.dsn == self.dsn

    def close(self) -> None:
        self._share.close()
        locks = [str(self._directory / name) for name in ("server.lock", "watcher.lock")]
        _until_sync(lambda: not any(watcher.is_locked(lock) for lock in locks))


def _until_sync(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, which no other test uses."""
    folder = Path(tempfile.mkdtemp(prefix="chancy-crash-", dir="/tmp")).resolve()
    folder.chmod(0o755)
    try:
        own = Server(folder / "pg")
    except EmbeddedUnavailable as error:
        pytest.skip(str(error))
    yield own
    own.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
async def test_a_restart_of_the_database_loses_nothing(server, tmp_path, book, how, monkeypatch):
    """PostgreSQL is restarted in the middle of 5,000 jobs: all are stored and succeed, and no process dies."""
    # A busy machine takes its time to start a server.
    monkeypatch.setattr(tries, "AGAIN_S", 2 * WITHIN_S)
    number, schema = 5000, "crash"
    with nursery(tmp_path, server.dsn, schema) as new_child:
        async with Chancy(server.dsn, schema=schema, discover=False) as chancy:
            await chancy.migrate()
            await chancy.declare(Queue("many", executor=ledger.EXECUTOR, executor_options={"path": str(book)}))
            children = [new_child(worker={"lease_s": 2, "concurrency": 20}) for _ in range(2)]
            for child in children:
                await asyncio.to_thread(child.ready)
            job = Job.from_func(jobs.sleep, kwargs={"seconds": 0.01}, max_attempts=3, keep_result=False)
            await chancy.push_many("many", [job] * (number // 2))
            left = iter(range(number - number // 2))

            async def push() -> list[Any]:
                # Whoever pushes sees nothing of the restart.
                return [await chancy.push("many", job) for _ in left]

            pushing = [asyncio.create_task(push()) for _ in range(20)]
            await until(counts(chancy, FINISHED, number // 10))
            await asyncio.to_thread(server.stop, how)
            assert not all(task.done() for task in pushing)
            await asyncio.to_thread(server.start)
            pushed = [reference for task in pushing for reference in await task]
            assert len(set(pushed)) == number - number // 2
            await all_done(chancy, number)
            finished = await check_the_books(chancy, book, number)
            assert {row[1] for row in finished} == {"succeeded"}
            assert all(child.alive for child in children)
            for child in children:
                child.send(signal.SIGTERM)
                assert await asyncio.to_thread(child.wait) == Stopped.DRAINED


async def test_a_database_away_for_longer_than_the_lease(server, tmp_path):
    """While the database is away, a worker stops its jobs in time; back, they run again with no attempt spent."""
    async with Chancy(server.dsn, schema="crash", discover=False) as chancy:
        await chancy.migrate()
        door = tmp_path / "door"
        with captured_events() as events:
            async with Worker(chancy, lease_s=2) as running:
                job = Job.from_func(hard_jobs.until_exists, kwargs={"path": str(door)})
                references = await chancy.push_many([job] * 10)
                await until(lambda: running.running == 10)
                await asyncio.to_thread(server.stop, signal.SIGINT)
                await until(lambda: any(event["event"] == "jobs_stopped" for event in events))
                await until(lambda: not running.running)
                door.touch()
                await asyncio.to_thread(server.start)
                finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        assert {(j.state, j.attempts, j.worker) for j in finished} == {("succeeded", 1, running.name)}
        assert all(j.claims >= 2 for j in finished)
        assert not [event for event in events if event["event"] == "duty_failed"]


async def test_outcomes_outlast_an_outage(server):
    """What ended while the database was away is written when it is back, and does not run again."""
    async with Chancy(server.dsn, schema="crash", discover=False) as chancy:
        await chancy.migrate()
        hard_jobs.gate.clear()
        async with Worker(chancy, lease_s=30) as running:
            references = await chancy.push_many([Job.from_func(hard_jobs.until_gate)] * 10)
            await until(lambda: running.running == 10)
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            hard_jobs.gate.set()
            await until(lambda: running.unwritten == 10)
            await asyncio.to_thread(server.start)
            finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        assert {(j.state, j.attempts, j.claims, j.result) for j in finished} == {("succeeded", 1, 1, "let through")}


async def test_a_heartbeat_that_a_blocked_loop_cannot_end_loses_no_lease(new_chancy, query, monkeypatch):
    """Behind a pooler, where a heartbeat is a transaction, a job that blocks the loop in the middle costs no lease."""
    real = Heartbeat._look
    held: list[bool] = []

    def blocked(self: Heartbeat) -> Any:
        answer = yield from real(self)
        if not held:
            time.sleep(6)
            held.append(query("SELECT lease_until > now() FROM {s}.workers")[0][0])
        return answer

    monkeypatch.setattr(Heartbeat, "_look", blocked)
    async with new_chancy(pooler=True) as chancy:
        await chancy.migrate()
        async with Worker(chancy, lease_s=5):
            await until(lambda: held)
            # The connection that was ended is replaced.
            await (await chancy.push(Job.from_func(jobs.echo))).wait(timeout=WITHIN_S)
    assert held == [True]


async def test_a_worker_that_cannot_be_registered_leaves_no_connection(chancy, query):
    """A worker whose start fails once it listens has no connection afterwards."""
    query("ALTER TABLE {s}.workers ADD CONSTRAINT nobody CHECK (worker IS NULL)")
    with pytest.raises(psycopg.errors.CheckViolation):
        await Worker(chancy).start()
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chancy claim' AND query LIKE '%%{s}.workers%%'"
    )
    await until(lambda: query(left) == [(0,)])
