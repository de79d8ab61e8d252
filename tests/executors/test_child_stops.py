"""The process executor: runs that are stopped."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hostile_jobs
import pytest
from decided import end_of
from processing import family, queued, result_of, within
from support import WITHIN_S, until

from chancy_core.executors import StopReason
from chancy_core.hookspecs import hookimpl
from chancy_core.plugins import Around, Plugin
from chancy_core.values.job import Job
from chancy_core.values.queue import Executor, Queue
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.worker import Worker


@pytest.mark.parametrize("func", [hostile_jobs.hangs, hostile_jobs.hangs_async, hostile_jobs.ignores_cancellation])
@pytest.mark.parametrize(
    ("reason", "state", "spent"), [(StopReason.CANCELLED, "cancelled", True), (StopReason.SHUTDOWN, "pending", False)]
)
async def test_a_running_job_is_stopped(new_executor, func, reason, state, spent):
    """It is told, and killed if it does not heed; cancelled it ends so, at a shutdown it goes back unspent."""
    executor = new_executor(grace_s=0.3)
    pid = await result_of(executor, hostile_jobs.pid)
    job = queued(func)
    task = asyncio.create_task(end_of(executor, job))
    await until(lambda: executor._busy)
    executor.stop(job, task, reason)
    outcome = await task
    assert (outcome.state, outcome.attempt_spent, outcome.note) == (state, spent, reason.value)
    # A coroutine that heeds its cancellation leaves its child alive.
    survived = await result_of(executor, hostile_jobs.pid) == pid
    assert survived == (func is hostile_jobs.hangs_async)


async def test_being_told_again_gives_no_more_time(new_executor):
    """A job that is told to stop again and again, and does not heed, is killed after the grace time all the same."""
    executor = new_executor(grace_s=0.5)
    await result_of(executor, hostile_jobs.pid)
    job = queued(hostile_jobs.ignores_cancellation)
    task = asyncio.create_task(end_of(executor, job))
    await until(lambda: executor._busy)
    start = time.monotonic()
    while not task.done() and time.monotonic() - start < 10:
        executor.stop(job, task, StopReason.CANCELLED)
        await asyncio.sleep(0.1)
    assert (await task).state == "cancelled"


async def test_a_checkpoint_in_a_child_stops_the_job(new_executor, tmp_path):
    """A plain function is stopped at its checkpoint, cleans up, and its child lives on."""
    executor = new_executor(grace_s=60)
    pid = await result_of(executor, hostile_jobs.pid)
    for func, reason in ((hostile_jobs.heeds, StopReason.CANCELLED), (hostile_jobs.heeds, None)):
        path = tmp_path / str(reason)
        job = queued(func, *([] if reason else [within(0.2)]), path=str(path))
        task = asyncio.create_task(end_of(executor, job))
        await until(lambda: executor._busy)
        if reason:
            executor.stop(job, task, reason)
        outcome = await task
        assert (outcome.state, outcome.error and outcome.error.type) == (
            ("cancelled", None) if reason else ("failed", "TimeLimitExceeded")
        )
        assert path.read_text() == "cleaned up"
    assert await result_of(executor, hostile_jobs.pid) == pid


@pytest.mark.parametrize("heeds", [True, False])
async def test_a_job_in_a_child_is_cancelled_by_its_reference(chancy, tmp_path, heeds):
    """`ref.cancel()` reaches the child: a job that heeds cleans up, another one is killed; both end cancelled."""
    path = tmp_path / "path"
    options = {"grace_s": 60 if heeds else 0.2}
    await chancy.declare(Queue("q", executor=Executor.Process, executor_options=options))
    job = Job.from_func(hostile_jobs.heeds, kwargs={"path": str(path)}) if heeds else Job.from_func(hostile_jobs.hangs)
    async with Worker(chancy):
        reference = await chancy.push("q", job.with_max_attempts(3))
        await until(lambda: is_running(reference))
        await reference.cancel(reason="enough")
        finished = await reference.wait(timeout=WITHIN_S)
    assert (finished.state, finished.note, finished.attempts) == ("cancelled", "enough", 1)
    assert path.exists() == heeds


async def is_running(reference: Any) -> bool:
    return (await reference.get()).state == "running"


async def test_a_worker_that_stops_hands_back_what_hangs_in_a_child(chancy):
    """At the end of the worker's grace time the child is told, killed, and the job is runnable, no attempt spent."""
    await chancy.declare(Queue("q", executor=Executor.Process, executor_options={"grace_s": 0.2}))
    async with Worker(chancy, grace_s=0.1):
        reference = await chancy.push("q", Job.from_func(hostile_jobs.hangs))
        await until(lambda: is_running(reference))
    found = await reference.get()
    assert (found.state, found.attempts) == ("pending", 0)


async def test_a_job_in_a_child_tells_how_far_it_is_and_changes_its_meta(chancy, tmp_path):
    """Progress is seen while the job runs in a child; its meta, run time and peak are kept with the finished job."""
    path = tmp_path / "go on"
    await chancy.declare(Queue("q", executor=Executor.Process))
    async with Worker(chancy):
        reference = await chancy.push("q", Job.from_func(hostile_jobs.tells, kwargs={"path": str(path)}))

        async def told() -> bool:
            progress = (await reference.get()).progress
            return progress is not None and (progress.fraction, progress.note) == (0.25, "begun")

        await until(told)
        path.touch()
        finished = await reference.wait(timeout=WITHIN_S)
    assert finished.result == 1
    assert finished.meta["pid"] != os.getpid()
    assert finished.run_s > 0
    assert finished.peak_bytes > 0


class Round(Plugin):
    """Writes down where it is entered."""

    name = "round"
    path: str = ""

    @hookimpl
    def around_job(self, job: QueuedJob) -> Any:
        @contextmanager
        def entered() -> Any:
            with Path(self.path).open("a") as file:
                file.write(f"{os.getpid()}\n")
            yield

        return entered()


async def test_what_plugins_put_round_a_job_is_entered_in_the_child(new_executor, tmp_path):
    """`around_job` of a copy of the plugin, with its settings, is entered in the process that runs the job."""
    path = tmp_path / "entered"
    executor = new_executor(around=Around([Round(path=str(path))]))
    pids = [await result_of(executor, func) for func in (hostile_jobs.pid, hostile_jobs.pid_async)]
    assert path.read_text().split() == [str(pid) for pid in pids]


async def test_a_stop_that_comes_too_late_stops_nothing(new_executor):
    """A job is told to stop when it has ended: the next one in that child runs as if nothing had been."""
    executor = new_executor(grace_s=0)
    job = queued(hostile_jobs.pid)
    task = asyncio.create_task(end_of(executor, job))
    outcome = await task
    executor.stop(job, task, StopReason.CANCELLED)
    executor.forget(job)
    assert outcome.state == "succeeded"
    assert await result_of(executor, hostile_jobs.sleeps, seconds=0.1) == int(outcome.result)


async def test_jobs_that_run_when_the_executor_closes_are_killed(new_executor):
    """Closing waits for nobody: the job's outcome says that its executor was closed."""
    executor = new_executor()
    task = asyncio.create_task(end_of(executor, queued(hostile_jobs.hangs)))
    await until(lambda: len(family(executor)) == 2)
    await executor.close()
    assert "its executor was closed" in (await task).error.message
