"""What this machine is short of is the fault of no job: it waits, or goes back, no attempt spent."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import hostile_jobs
import pytest
from children import nursery
from decided import end_of

from chancy import Job, Queue
from chancy_core.executors import ExecutorSettings, StopReason
from chancy_core.executors.functions import Functions
from chancy_core.executors.process import ProcessExecutor
from chancy_core.executors.processes import children, descriptors
from chancy_core.executors.processes.children import Children
from chancy_core.executors.thread import ThreadExecutor
from chancy_core.values.queuedjob import Outcome, QueuedJob, State

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits another process")


def queued(func: Callable[..., Any], **kwargs: Any) -> QueuedJob:
    """A job as a worker would have claimed it."""
    name = f"{func.__module__}.{func.__qualname__}"
    return QueuedJob(func=name, kwargs=kwargs, id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1)


def settings() -> ExecutorSettings:
    return ExecutorSettings("test", 10, 1_000_000, Functions())


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    made = ProcessExecutor(settings())
    yield made
    await made.close()


def check_left(outcome: Outcome) -> None:
    """Its worker could not run it: it goes back, and has its attempt again."""
    found = (outcome.state, outcome.attempt_spent, outcome.error, outcome.unrunnable)
    assert found == (State.PENDING, False, None, True)


async def test_without_room_for_more_children_jobs_wait_for_those_there_are(executor, monkeypatch):
    """With room for two children, eight jobs at a time all end, in two processes."""
    monkeypatch.setattr(children, "room_for_child", lambda *, first: len(executor._children._children) < 2)
    outcomes = await asyncio.gather(*(end_of(executor, queued(hostile_jobs.pid)) for _ in range(8)))
    assert {outcome.state for outcome in outcomes} == {State.SUCCEEDED}
    assert len({outcome.result for outcome in outcomes}) <= 2


async def test_a_job_that_waits_for_a_child_can_be_stopped(executor, monkeypatch, until):
    """A job that has no child yet is handed back, or cancelled, at once."""
    monkeypatch.setattr(children, "room_for_child", lambda *, first: first)
    runs = asyncio.create_task(end_of(executor, queued(hostile_jobs.sleeps, seconds=60)))
    await until(lambda: executor._busy, 60)
    job = queued(hostile_jobs.pid)
    waits = asyncio.create_task(end_of(executor, job))
    await asyncio.sleep(0)
    executor.stop(job, waits, StopReason.SHUTDOWN)
    assert (await waits).state == State.PENDING
    runs.cancel()
    await asyncio.wait([runs])


async def test_without_room_for_a_single_child_jobs_are_left_to_others(executor, monkeypatch):
    """A job goes back, no attempt spent; it is run once there is room."""
    monkeypatch.setattr(children, "room_for_child", lambda *, first: False)
    check_left(await end_of(executor, queued(hostile_jobs.pid)))
    monkeypatch.setattr(children, "room_for_child", lambda *, first: True)
    assert (await end_of(executor, queued(hostile_jobs.pid))).state == State.SUCCEEDED


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EACCES])
async def test_a_child_that_cannot_be_started_costs_no_attempt(executor, monkeypatch, number):
    """Out of descriptors, processes or memory, or for want of a program, a job goes back."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Children, "_new", fail)
    check_left(await end_of(executor, queued(hostile_jobs.pid)))


@linux_only
async def test_a_nursery_without_descriptors_costs_no_attempt(executor):
    """Where the process that starts children has none left, a job goes back, and the nursery goes on."""
    assert (await end_of(executor, queued(hostile_jobs.pid))).state == State.SUCCEEDED
    pid = executor._children._nurse.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    busy = asyncio.create_task(end_of(executor, queued(hostile_jobs.sleeps, seconds=60)))
    await asyncio.sleep(0)
    check_left(await end_of(executor, queued(hostile_jobs.pid)))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert (await end_of(executor, queued(hostile_jobs.pid))).state == State.SUCCEEDED
    assert executor._children._nurse.pid == pid
    busy.cancel()
    await asyncio.wait([busy])


async def test_a_thread_that_cannot_be_started_costs_no_attempt_and_runs_nothing(monkeypatch):
    """Out of threads, a job goes back; it is not run later by a thread that becomes free."""
    executor = ThreadExecutor(settings())
    ran = []
    monkeypatch.setattr(hostile_jobs, "pid", lambda: ran.append(1))
    with monkeypatch.context() as patch:

        def fail(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", fail)
        job = QueuedJob(func="hostile_jobs.pid", id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1)
        check_left(await end_of(executor, job))
    assert (await end_of(executor, job)).state == State.SUCCEEDED
    assert ran == [1]
    await executor.close()


@linux_only
def test_children_leave_a_reserve():
    """The first child needs little, each further one leaves a quarter of the descriptors, at most 64, to others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = descriptors._used()
    try:
        for free, first, more in ((4, False, False), (12, True, False), (200, True, True)):
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + free, hard))
            assert descriptors.room_for_child(first=True) is first
            assert descriptors.room_for_child(first=False) is more
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@linux_only
async def test_with_few_descriptors_every_job_of_many_children_ends(chancy, tmp_path, dsn, schema):
    """A worker that may open little runs forty jobs in child processes, records all, and spends one attempt on each."""
    await chancy.declare(Queue("odd", executor="chancy_core.executors.process.ProcessExecutor", concurrency=40))
    with nursery(tmp_path, dsn, schema) as new:
        child = new()
        await asyncio.to_thread(child.ready)
        used = len(os.listdir(f"/proc/{child.process.pid}/fd"))  # noqa: PTH208
        most = (used + 8) * 4 // 3 + 6
        resource.prlimit(child.process.pid, resource.RLIMIT_NOFILE, (most, most))
        job = Job("hostile_jobs.sleeps", queue="odd", kwargs={"seconds": 0.05})
        found = await chancy.wait_for_jobs(await chancy.push_many([job] * 40), timeout=100)
        assert {(one.state, one.attempts) for one in found} == {(State.SUCCEEDED, 1)}
        assert child.alive
