"""How a worker stops, and what becomes of what runs."""

from __future__ import annotations

import asyncio
import gc
import threading
import uuid
from typing import Any

import hard_jobs
import jobs
import msgspec
import pytest
from decided import end_of
from support import WITHIN_S, captured_events, until
from working import started, state_of, workers

from chancy_core.errors import DatabaseUnavailable
from chancy_core.executors import Executor, ExecutorSettings, Report, StopReason
from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.executors.functions import Functions
from chancy_core.store.session import WorkerConnection
from chancy_core.values.job import Job
from chancy_core.values.queue import Executor as Executors
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import QueuedJob, State
from chancy_core.worker import Stopped, Worker, registering, stopping
from chancy_core.worker.deciding import Policy
from chancy_core.worker.lane import Lane
from chancy_core.worker.queues import Lanes

pytestmark = pytest.mark.usefixtures("_fresh")


async def test_a_stop_lets_running_jobs_end(chancy):
    """Within the grace time running jobs end, nothing more is claimed, and the worker says DRAINED."""
    running = Worker(chancy, concurrency=2, grace_s=WITHIN_S)
    await running.start()
    ending = [await chancy.push(Job.from_func(hard_jobs.until_gate)) for _ in range(2)]
    await started(*ending)
    waiting = await chancy.push(Job.from_func(jobs.noop))
    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.1)
    assert not stopping.done()
    hard_jobs.gate.set()
    assert await stopping is Stopped.DRAINED
    assert [await state_of(reference) for reference in ending] == [State.SUCCEEDED] * 2
    assert await state_of(waiting) is State.PENDING


@pytest.mark.parametrize("func", [jobs.sleep, hard_jobs.until_gate])
async def test_after_the_grace_time_jobs_are_handed_back(chancy, func):
    """What has not ended within the grace time is pending again, with its attempt back and a note."""
    running = Worker(chancy, grace_s=0.1)
    await running.start()
    references = [await chancy.push(Job.from_func(func)) for _ in range(3)]
    await started(*references)
    assert await running.stop() is Stopped.HANDED_BACK
    for reference in references:
        job = await reference.get()
        assert (job.state, job.attempts, job.claims, job.worker) == ("pending", 0, 1, None)
        assert job.note == StopReason.SHUTDOWN.value
        assert job.errors == []


async def test_jobs_handed_back_run_on_the_next_worker(chancy):
    """A job with one attempt that was handed back runs to its end elsewhere: no attempt was spent."""
    first = Worker(chancy, grace_s=0)
    await first.start()
    reference = await chancy.push(Job.from_func(hard_jobs.until_gate))
    await started(reference)
    assert await first.stop() is Stopped.HANDED_BACK
    hard_jobs.gate.set()
    async with Worker(chancy) as second:
        finished = await reference.wait(timeout=WITHIN_S)
    assert (finished.state, finished.attempts, finished.claims) == ("succeeded", 1, 2)
    assert finished.worker == second.name


async def test_told_twice_it_stops_at_once(chancy):
    """A second order to stop does not wait for the grace time: jobs are handed back now."""
    running = Worker(chancy, grace_s=60)
    await running.start()
    waiting = asyncio.create_task(running.wait_for_shutdown())
    reference = await chancy.push(Job.from_func(jobs.sleep))
    await started(reference)
    running.shut_down()
    await asyncio.sleep(0.05)
    assert not waiting.done()
    running.shut_down()
    async with asyncio.timeout(WITHIN_S):
        assert await waiting is Stopped.AT_ONCE
    job = await reference.get()
    assert (job.state, job.attempts) == ("pending", 0)


async def test_a_job_that_ignores_its_cancellation_does_not_hold_up_the_stop(chancy, monkeypatch):
    """A job that swallows its cancellation is handed back all the same, and its own end changes nothing."""
    monkeypatch.setattr(stopping, "STOP_JOBS_WITHIN_S", 0.2)
    running = Worker(chancy, grace_s=0)
    await running.start()
    reference = await chancy.push(Job.from_func(hard_jobs.deaf, kwargs={"key": "a"}))
    await started(reference)
    with captured_events() as events:
        assert await running.stop() is Stopped.HANDED_BACK
    assert hard_jobs.swallowed
    assert [e["job"] for e in events if e["event"] == "job_ignores_stop"] == [str(reference)]
    job = await reference.get()
    assert (job.state, job.attempts, job.worker) == ("pending", 0, None)
    hard_jobs.gate.set()
    async with Worker(chancy):
        finished = await reference.wait(timeout=WITHIN_S)
    assert (finished.attempts, finished.claims) == (1, 2)


async def test_jobs_stopped_before_they_began_are_handed_back(chancy):
    """A job that is stopped in the very moment it was claimed is handed back, and the lane becomes idle."""
    outcomes = []

    class Catcher:
        put = staticmethod(outcomes.append)

    class Patient(Executor):
        async def run(self, job):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return Report.raised(asyncio.CancelledError())

    settings = ExecutorSettings("worker", 1, 1000, None)
    lane = Lane(Queue("q"), 1, Patient(settings), Catcher(), Policy("worker"))
    job = QueuedJob("jobs.noop", id=uuid.UUID(int=1), state=State.RUNNING, attempts=1, claims=1)
    lane.start([job])
    lane.stop(StopReason.LEASE_LOST)
    await until(lambda: outcomes)
    assert [(o.job, o.state, o.attempt_spent) for o in outcomes] == [(job, State.PENDING, False)]
    assert lane.running == 0
    async with asyncio.timeout(WITHIN_S):
        await lane.idle()


async def test_a_stop_is_for_one_run_of_a_job(chancy):
    """A run that ignored its stop does not make a later run of the same job count as stopped when that one fails."""
    executor = AsyncExecutor(ExecutorSettings("worker", 2, 1000, Functions()))
    job = QueuedJob(
        "hard_jobs.deaf_then_fails", kwargs={"key": "x"}, id=uuid.UUID(int=1), state=State.RUNNING, attempts=1, claims=1
    )
    first = asyncio.create_task(executor.run(job))
    await until(lambda: hard_jobs.raised)
    executor.stop(job, first, StopReason.LEASE_LOST)
    await until(lambda: hard_jobs.swallowed)
    later = msgspec.structs.replace(job, claims=2)
    outcome = await end_of(executor, later)
    assert (outcome.state, outcome.error.type) == (State.FAILED, "ValueError")
    hard_jobs.gate.set()
    assert (await first).error is None


async def test_a_thread_that_was_given_up_takes_no_slot(chancy):
    """When a lease was lost, threads that still run do not keep the jobs that are claimed next from starting."""
    await chancy.declare(Queue("one", concurrency=1, executor=Executors.Threaded))
    async with Worker(chancy) as running:
        reference = await chancy.push("one", Job.from_func(hard_jobs.until_gate_counted))
        await until(lambda: hard_jobs.now_running == 1)
        running._parts.lost()
        await until(lambda: hard_jobs.now_running == 2)
        hard_jobs.gate.set()
        finished = await reference.wait(timeout=WITHIN_S)
    assert (finished.state, finished.attempts, finished.claims) == ("succeeded", 1, 2)


async def test_a_stop_waits_for_a_claim_in_flight(chancy):
    """However early it is stopped, a worker leaves no job in its own name behind."""
    for delay_s in (0, 0.001, 0.002, 0.005, 0.01, 0.02):
        running = Worker(chancy, grace_s=0)
        await chancy.push_many([Job.from_func(jobs.sleep) for _ in range(50)])
        await running.start()
        await asyncio.sleep(delay_s)
        await running.stop()
        async with chancy.pool.connection() as connection:
            cursor = await connection.execute(
                f"SELECT count(*) FROM {chancy.settings.schema}.jobs WHERE state <> 'pending' OR attempts > 0"
            )
            assert (await cursor.fetchone()) == (0,)


async def test_a_stop_in_a_burst_of_short_jobs_loses_none(chancy):
    """Stopped while jobs come and go in a burst, a worker ends those that began and hands back the others unspent."""
    number = 10_000
    running = Worker(chancy, concurrency=5)
    await chancy.push_many([Job.from_func(jobs.noop)] * number)
    await running.start()

    async def ended() -> int:
        async with chancy.pool.connection() as connection:
            cursor = await connection.execute(f"SELECT count(*) FROM {chancy.settings.schema}.finished_jobs")
            return (await cursor.fetchone())[0]

    await until(ended)
    assert await running.stop() is Stopped.DRAINED
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(
            f"SELECT count(*), coalesce(sum(attempts), 0) FROM {chancy.settings.schema}.jobs WHERE state = 'pending'"
        )
        left, attempts = await cursor.fetchone()
    assert left > 0
    assert (await ended() + left, attempts) == (number, 0)


async def test_a_stop_is_done_once(chancy):
    """Stopping twice, and leaving the block after a stop, is as good as stopping once."""
    async with Worker(chancy, grace_s=0) as running:
        await started(await chancy.push(Job.from_func(jobs.sleep)))
        assert await running.stop() is Stopped.HANDED_BACK
        assert await running.stop() is Stopped.HANDED_BACK


async def test_a_stopped_worker_leaves_no_trace(chancy):
    """After a stop there is no worker's row, no connection of its own, and no task."""
    before = asyncio.all_tasks()
    async with Worker(chancy) as running:
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)
        assert await workers(chancy) == [running.name]
    assert await workers(chancy) == []
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    # The application's own waiter may be about to end.
    assert not [task for task in left if not task.get_name().startswith("chancy.wait")]
    assert not [t for t in threading.enumerate() if t.name == "chancy-standby" and t.is_alive()]


async def test_a_worker_that_cannot_start_leaves_nothing_behind(chancy, monkeypatch):
    """If the start fails half-way, the error is raised, and neither a lease nor a thread stays."""

    async def broken(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(registering, "START_WITHIN_S", 0.0)
    monkeypatch.setattr(Lanes, "follow", broken)
    with pytest.raises(DatabaseUnavailable, match="gone"):
        async with Worker(chancy, lease_s=1):
            pass
    assert not [t for t in threading.enumerate() if t.name == "chancy-standby" and t.is_alive()]
    assert await workers(chancy) == []


async def test_a_start_that_is_given_up_leaves_no_exception_that_nobody_looks_at(chancy, monkeypatch):
    """Taking back the row is not waited for long, and may fail when nobody waits any more."""
    left: list[dict[str, Any]] = []
    run = WorkerConnection.run

    def broken(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    async def hangs(self: WorkerConnection, flow: Any) -> Any:
        if flow is not hangs:
            return await run(self, flow)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise DatabaseUnavailable("closed") from None

    monkeypatch.setattr(registering, "START_WITHIN_S", 0.0)
    monkeypatch.setattr(registering, "UNREGISTER_WITHIN_S", 0.01)
    monkeypatch.setattr(registering, "register_worker", broken)
    monkeypatch.setattr(registering, "resign_worker", lambda *_: hangs)
    monkeypatch.setattr(WorkerConnection, "run", hangs)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(context))
    with pytest.raises(DatabaseUnavailable, match="gone"):
        await Worker(chancy).start()
    await asyncio.sleep(0.1)
    gc.collect()
    assert not left
