"""A worker hands jobs to threads without a task for each: what it promises of them holds."""

from __future__ import annotations

import threading

import pytest
import threaded_jobs
from support import WITHIN_S, until

from chancy import Job, Queue, State, Worker
from chancy_core.executors.thread import ThreadExecutor
from chancy_core.values.queue import Executor


@pytest.mark.parametrize("executor", [Executor.Threaded, Executor.Auto])
async def test_slots_are_exact(chancy, executor):
    """Of many short plain functions no more run at a time than the queue has slots, and each runs once."""
    threaded_jobs.calls.clear()
    threaded_jobs.most[0] = 0
    await chancy.declare(Queue("q", executor=executor, concurrency=4))
    async with Worker(chancy):
        pushed = await chancy.push_many("q", [Job.from_func(threaded_jobs.counts)] * 400)
        ended = await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert {(job.state, job.attempts) for job in ended} == {("succeeded", 1)}
    assert threaded_jobs.calls["counts"] == 400
    assert 1 <= threaded_jobs.most[0] <= 4


async def test_a_job_that_cannot_be_taken_has_a_task(chancy, monkeypatch):
    """Whatever goes wrong there, a job that was claimed is run."""

    def breaks(*_):
        raise MemoryError

    monkeypatch.setattr(ThreadExecutor, "take", breaks)
    await chancy.declare(Queue("q", executor=Executor.Threaded, concurrency=2))
    async with Worker(chancy):
        pushed = await chancy.push_many("q", [Job.from_func(threaded_jobs.quick)] * 5)
        ended = await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert {(job.state, job.attempts) for job in ended} == {("succeeded", 1)}


class Special(ThreadExecutor):
    """Somebody's own, which counts what it runs."""

    async def run(self, job):
        threaded_jobs.calls["special"] += 1
        return await super().run(job)


async def test_a_subclass_has_its_run_called(chancy):
    """Whoever subclasses the executor of threads sees every job."""
    threaded_jobs.calls.clear()
    await chancy.declare(Queue("q", executor=f"{__name__}.Special", concurrency=3))
    async with Worker(chancy):
        pushed = await chancy.push_many("q", [Job.from_func(threaded_jobs.quick)] * 20)
        ended = await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert {job.state for job in ended} == {State.SUCCEEDED}
    assert threaded_jobs.calls["special"] == 20


async def test_a_worker_that_stops_hands_back_what_runs_in_threads(chancy):
    """At once, no attempt spent, however long the functions go on."""
    threaded_jobs.release.clear()
    threaded_jobs.began = threading.Semaphore(0)
    await chancy.declare(Queue("q", executor=Executor.Threaded, concurrency=3))
    async with Worker(chancy, grace_s=0):
        # The first of a function is found by a task, and the others need none.
        await (await chancy.push("q", Job.from_func(threaded_jobs.quick))).wait(timeout=WITHIN_S)
        pushed = await chancy.push_many("q", [Job.from_func(threaded_jobs.waits)] * 3)
        for _ in pushed:
            await until(lambda: threaded_jobs.began.acquire(blocking=False))
    jobs = [await reference.get() for reference in pushed]
    assert {(job.state, job.attempts) for job in jobs} == {(State.PENDING, 0)}
    threaded_jobs.release.set()
