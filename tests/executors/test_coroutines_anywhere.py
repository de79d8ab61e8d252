"""Coroutine functions run on the queues of every executor: a loop of the thread, or the child, is theirs."""

from __future__ import annotations

import asyncio
import errno
import os

import loop_jobs
import pytest
from decided import end_of
from processing import RESULT_LIMIT, queued, settings, within
from support import WITHIN_S, until

from chancy import Job, Queue, State, Worker
from chancy_core.executors import ExecutorSettings, StopReason
from chancy_core.executors.functions import Functions
from chancy_core.executors.process import ProcessExecutor
from chancy_core.executors.thread import ThreadExecutor
from chancy_core.values.queue import Executor

# Far longer than any wait of a test.
LONG_S = 3600


@pytest.fixture
async def threads():
    executor = ThreadExecutor(settings())
    loop_jobs.release.clear()
    yield executor
    loop_jobs.release.set()
    await executor.close()


@pytest.mark.parametrize("executor", [Executor.Threaded, Executor.Process, Executor.Auto, Executor.Async])
async def test_a_coroutine_function_runs_on_every_queue(chancy, executor):
    """It runs where the queue says, and what a run has put into context variables is not there for the next one."""
    await chancy.declare(Queue("q", executor=executor, concurrency=2))
    async with Worker(chancy):
        pushed = await chancy.push_many("q", [Job.from_func(loop_jobs.where)] * 20)
        ended = await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert {job.state for job in ended} == {"succeeded"}
    assert {job.result[2] for job in ended} == {"unset"}
    assert {job.result[0] for job in ended} == {executor is not Executor.Threaded}
    assert all((job.result[1] == os.getpid()) is (executor is not Executor.Process) for job in ended)


@pytest.mark.parametrize("executor", [Executor.Threaded, Executor.Process])
async def test_a_running_coroutine_can_be_cancelled(chancy, executor):
    """It is cancelled where it runs, cleans up, and what it put into its meta is kept."""
    await chancy.declare(Queue("q", executor=executor))
    async with Worker(chancy):
        reference = await chancy.push("q", Job.from_func(loop_jobs.waits, kwargs={"seconds": LONG_S}))
        await until(lambda: _progress(reference))
        await reference.cancel(reason="enough")
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.note, job.meta) == (State.CANCELLED, "enough", {"cleaned up": True})


async def _progress(reference):
    return (await reference.get()).progress


async def test_a_worker_that_stops_hands_back_a_coroutine_in_a_thread(chancy):
    """No attempt is spent, and nobody waits for the end of its sleep."""
    await chancy.declare(Queue("q", executor=Executor.Threaded))
    async with Worker(chancy, grace_s=0):
        reference = await chancy.push("q", Job.from_func(loop_jobs.waits, kwargs={"seconds": LONG_S}))
        await until(lambda: _progress(reference))
    job = await reference.get()
    assert (job.state, job.attempts, job.errors) == (State.PENDING, 0, [])


async def test_checkpoints_stop_a_coroutine_in_a_thread(threads):
    """`checkpoint` raises there as elsewhere."""
    loop_jobs.began.clear()
    job = queued(loop_jobs.checks)
    run = asyncio.create_task(end_of(threads, job))
    await until(loop_jobs.began.is_set)
    threads.tell(job, StopReason.CANCELLED)
    assert (await run).state == State.CANCELLED


async def test_a_time_limit_ends_a_coroutine_that_waits_for_a_thread(threads):
    """The run ends when its time is over, however long the thread goes on that it waited for."""
    outcome = await asyncio.wait_for(end_of(threads, queued(loop_jobs.waits_in_a_thread, within(0.2))), WITHIN_S)
    assert outcome.error.type == "TimeLimitExceeded"


async def test_a_coroutine_may_use_threads(threads):
    """`asyncio.to_thread` works in it."""
    assert (await end_of(threads, queued(loop_jobs.in_a_thread))).result == b'"in another thread"'


async def test_what_a_coroutine_leaves_behind_is_ended(threads):
    """Tasks are cancelled and generators closed; one that heeds nothing holds up nobody, and the run has succeeded."""
    loop_jobs.closed.clear()
    outcome = await asyncio.wait_for(end_of(threads, queued(loop_jobs.leaves_things_behind)), WITHIN_S)
    assert outcome.result == b'"done"'
    assert set(loop_jobs.closed) == {"generator", "task", "told"}


async def test_a_task_that_exits_ends_only_its_run(threads):
    """SystemExit in a task of the job is what that run raised; the thread runs the next job."""
    assert (await end_of(threads, queued(loop_jobs.ends_the_process))).error.type == "SystemExit"
    assert (await end_of(threads, queued(loop_jobs.in_a_thread))).state == State.SUCCEEDED


async def test_a_job_that_was_stopped_before_its_thread_began_is_not_begun(threads, monkeypatch):
    """Between the stop and the beginning of the coroutine nothing is lost."""
    job = queued(loop_jobs.waits, seconds=LONG_S)
    threads.settings.functions.find(job)
    in_thread = ThreadExecutor._in_thread

    async def stopped_first(self, call, *arguments):
        threads.stop(job, asyncio.current_task(), StopReason.CANCELLED)
        return await in_thread(self, call, *arguments)

    monkeypatch.setattr(ThreadExecutor, "_in_thread", stopped_first)
    outcome = await asyncio.wait_for(end_of(threads, job), WITHIN_S)
    assert (outcome.state, outcome.run_s) == (State.CANCELLED, 0)


async def test_without_descriptors_for_a_loop_the_job_goes_back(threads, monkeypatch):
    """That is the fault of the machine: the job costs no attempt."""

    def none_left():
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("chancy_core.executors.ownloop.asyncio.new_event_loop", none_left)
    outcome = await end_of(threads, queued(loop_jobs.where))
    assert (outcome.state, outcome.attempt_spent, outcome.unrunnable) == (State.PENDING, False, True)


async def test_a_returned_coroutine_gives_up_its_thread(threads):
    """What a plain function returns is awaited no longer than it takes: a thread that it gave up is not waited for."""
    outcome = await asyncio.wait_for(end_of(threads, queued(loop_jobs.awaits_elsewhere)), WITHIN_S)
    assert outcome.result == b'"gave up"'


async def test_in_a_child_a_time_limit_ends_a_coroutine_that_waits_for_a_thread():
    """The same, in a child process."""
    executor = ProcessExecutor(ExecutorSettings("test", 1, RESULT_LIMIT, Functions()), grace_s=10)
    try:
        outcome = await end_of(executor, queued(loop_jobs.waits_in_a_thread, within(0.2)))
        assert outcome.error.type == "TimeLimitExceeded"
    finally:
        await executor.close()
