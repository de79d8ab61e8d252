"""Threads take jobs from one line: what is done is told at once, and a job that goes on has a thread of its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
import threaded_jobs
from processing import queued, settings, within
from support import WITHIN_S, until

from chancy_core.executors import StopReason
from chancy_core.executors.auto import AutoExecutor
from chancy_core.executors.thread import ThreadExecutor
from chancy_core.hookspecs import hookimpl
from chancy_core.plugins import Around, Plugin

FUNCTIONS = (
    threaded_jobs.quick,
    threaded_jobs.waits,
    threaded_jobs.checks,
    threaded_jobs.meets,
    threaded_jobs.marks,
    threaded_jobs.raises,
    threaded_jobs.leaves,
    threaded_jobs.coroutine,
)


class Taken:
    """An executor's jobs that have no task, and how they ended."""

    def __init__(self, executor):
        self.executor = executor
        self.ended = {}
        self.order = []

    def take(self, job, context=None):
        return self.executor.take(job, context or contextvars.copy_context(), self._ended)

    def _ended(self, pairs):
        for job, report in pairs:
            assert job.id not in self.ended, "it ended twice"
            self.ended[job.id] = report
            self.order.append(job)

    def all_ended(self, jobs):
        return until(lambda: all(job.id in self.ended for job in jobs), WITHIN_S)


def known(executor):
    """As they are once a job of each has been found."""
    for function in FUNCTIONS:
        executor.settings.functions.load(f"{function.__module__}.{function.__qualname__}")
    return executor


@pytest.fixture(params=[ThreadExecutor, AutoExecutor])
async def taken(request):
    threaded_jobs.release.clear()
    threaded_jobs.began = threading.Semaphore(0)
    threaded_jobs.calls.clear()
    executor = known(request.param(settings()))
    yield Taken(executor)
    threaded_jobs.release.set()
    await executor.close()


@pytest.mark.parametrize("place", [0, 1, 4, 9])
async def test_no_outcome_waits_behind_a_job_that_goes_on(taken, place):
    """Wherever the long one stands in the line, the others are told of while it runs."""
    jobs = [queued(threaded_jobs.quick, n=n) for n in range(9)]
    long = queued(threaded_jobs.waits)
    line = [*jobs[:place], long, *jobs[place:]]
    for _ in range(20):
        assert all(taken.take(job) for job in line)
        taken.executor.wake()
        await taken.all_ended(jobs)
        assert long.id not in taken.ended
        threaded_jobs.release.set()
        await taken.all_ended([long])
        threaded_jobs.release.clear()
        taken.ended.clear()


async def test_as_many_run_at_a_time_as_were_taken(taken):
    """Each of them waits for all others, so none of them shares a thread."""
    for count in (1, 30, 7):
        threaded_jobs.together = threading.Barrier(count)
        jobs = [queued(threaded_jobs.meets) for _ in range(count)]
        assert all(taken.take(job) for job in jobs)
        taken.executor.wake()
        await taken.all_ended(jobs)
        assert {report.error for report in taken.ended.values()} == {None}


async def test_each_of_many_runs_and_ends_once(taken):
    """Laid into the line one by one or many at a time, while threads come and go."""
    jobs = [queued(threaded_jobs.quick, n=n) for n in range(3000)]
    for number, job in enumerate(jobs):
        assert taken.take(job)
        if number % 7 == 0:
            taken.executor.wake()
        if number % 31 == 0:
            await asyncio.sleep(0)
    taken.executor.wake()
    await taken.all_ended(jobs)
    assert threaded_jobs.calls["quick"] == len(jobs)
    # None as the result of nothing, as of any other job.
    assert {int(taken.ended[job.id].result) for job in jobs} == set(range(len(jobs)))


async def test_what_a_job_raises_is_reported(taken):
    """SystemExit included; and the thread goes on."""
    jobs = [queued(threaded_jobs.raises), queued(threaded_jobs.leaves), queued(threaded_jobs.quick)]
    assert all(taken.take(job) for job in jobs)
    taken.executor.wake()
    await taken.all_ended(jobs)
    raised = [taken.ended[job.id].error for job in jobs]
    assert [error and (error.type, error.message) for error in raised] == [
        ("ValueError", "on purpose"),
        ("SystemExit", "7"),
        None,
    ]
    assert 'raise ValueError("on purpose")' in raised[0].traceback
    assert all(taken.ended[job.id].begun for job in jobs)


async def test_contexts_are_kept_apart(taken):
    """A job sees what was set where its worker began, and nothing of what another has set in the same thread."""
    threaded_jobs.mark.set("the worker's")
    context = contextvars.copy_context()
    jobs = [queued(threaded_jobs.marks, value=str(n)) for n in range(50)]
    for job in jobs:
        assert taken.take(job, context.copy())
    taken.executor.wake()
    await taken.all_ended(jobs)
    assert {report.result for report in taken.ended.values()} == {b'"the worker\'s"'}
    assert threaded_jobs.mark.get() == "the worker's"


@pytest.mark.parametrize("reason", [StopReason.SHUTDOWN, StopReason.LEASE_LOST])
async def test_a_job_without_checkpoints_is_given_up(taken, reason):
    """At once; what it comes to later is not told, and the next job has a thread all the same."""
    job = queued(threaded_jobs.waits)
    assert taken.take(job)
    taken.executor.wake()
    await until(lambda: threaded_jobs.began.acquire(blocking=False))
    taken.executor.stop_taken(job, reason)
    assert taken.ended[job.id].error.type == "CancelledError"
    after = queued(threaded_jobs.quick)
    assert taken.take(after)
    taken.executor.wake()
    await taken.all_ended([after])
    threaded_jobs.release.set()
    last = queued(threaded_jobs.quick)
    assert taken.take(last)
    taken.executor.wake()
    await taken.all_ended([last])
    assert [one.func for one in taken.order] == [job.func, after.func, last.func]


async def test_a_job_that_is_cancelled_has_its_own_end(taken):
    """Without checkpoints it runs until then; with them it is stopped there."""
    job, checks = queued(threaded_jobs.waits, n=5), queued(threaded_jobs.checks)
    assert taken.take(job)
    assert taken.take(checks)
    taken.executor.wake()
    await until(lambda: threaded_jobs.began.acquire(blocking=False))
    await until(lambda: threaded_jobs.began.acquire(blocking=False))
    taken.executor.stop_taken(job, StopReason.CANCELLED)
    taken.executor.stop_taken(checks, StopReason.CANCELLED)
    await taken.all_ended([checks])
    assert taken.ended[checks.id].error.type == "JobStopped"
    assert job.id not in taken.ended
    threaded_jobs.release.set()
    await taken.all_ended([job])
    assert taken.ended[job.id].result == b"5"


async def test_a_job_that_was_given_up_before_it_began_never_does(taken):
    """It has been handed back: somebody else runs it."""
    job, other = queued(threaded_jobs.quick), queued(threaded_jobs.waits)
    assert taken.take(job)
    assert taken.take(other)
    taken.executor.stop_taken(job, StopReason.SHUTDOWN)
    assert taken.ended[job.id].error.type == "CancelledError"
    threaded_jobs.release.set()
    taken.executor.wake()
    await taken.all_ended([other])
    assert threaded_jobs.calls["quick"] == 0


async def test_a_job_that_was_done_when_it_was_stopped_has_returned(taken):
    """Only the loop had not looked yet."""
    job = queued(threaded_jobs.waits, n=3)
    assert taken.take(job)
    taken.executor.wake()
    assert threaded_jobs.began.acquire(timeout=WITHIN_S)
    threaded_jobs.release.set()
    threads = (taken.executor if isinstance(taken.executor, ThreadExecutor) else taken.executor._thread)._threads
    # The loop is held up meanwhile.
    for _ in range(int(WITHIN_S * 100)):
        if threads._done:
            break
        threading.Event().wait(0.01)
    taken.executor.stop_taken(job, StopReason.SHUTDOWN)
    assert taken.ended[job.id].result == b"3"
    await until(lambda: not threads._done)
    assert len(taken.order) == 1


@pytest.mark.parametrize("started", [0, 1, 2])
async def test_without_a_thread_a_job_goes_back(taken, monkeypatch, started):
    """Whoever was to start it, the loop or a thread; nothing waits behind calls that go on, and later there is one."""
    start = threading.Thread.start
    left = [None] * started

    def scarce(self):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(self)

    jobs = [queued(threaded_jobs.waits, n=n) for n in range(4)]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", scarce)
        assert all(taken.take(job) for job in jobs)
        taken.executor.wake()
        await taken.all_ended(jobs[started:])
    for job in jobs[started:]:
        report = taken.ended[job.id]
        assert (report.begun, report.error.type) == (False, "NoThread")
        assert "can't start new thread" in report.error.message
    threaded_jobs.release.set()
    after = queued(threaded_jobs.quick)
    assert taken.take(after)
    taken.executor.wake()
    await taken.all_ended([*jobs, after])


class Refuses(Plugin):
    """Cannot be entered."""

    name = "refuses"

    @hookimpl
    def around_job(self, job):
        raise LookupError("not this one")


async def test_what_plugins_put_round_a_job_is_there():
    """Also without a task: here it fails the attempt, and names the plugin."""
    executor = known(ThreadExecutor(settings(around=Around((Refuses(),)))))
    taken = Taken(executor)
    job = queued(threaded_jobs.quick)
    assert taken.take(job)
    executor.wake()
    await taken.all_ended([job])
    assert taken.ended[job.id].error.type == "PluginError"
    await executor.close()


async def test_what_needs_a_task_is_not_taken(taken):
    """What is not known yet, coroutine functions, limits, and arguments that do not fit: `run` sees to those."""
    taken.executor.settings.functions._found.pop("threaded_jobs.meets")
    for job in (
        queued(threaded_jobs.meets),
        queued(threaded_jobs.coroutine),
        queued(threaded_jobs.checks, within(60)),
        queued(threaded_jobs.quick, wrong=1),
    ):
        assert not taken.take(job)
    taken.executor.wake()


async def test_threads_end_when_their_executor_is_closed():
    """Those that sleep at once, and one that works after its job."""
    before = threading.active_count()
    threaded_jobs.release.clear()
    threaded_jobs.began = threading.Semaphore(0)
    taken = Taken(known(ThreadExecutor(settings())))
    job = queued(threaded_jobs.waits)
    jobs = [queued(threaded_jobs.quick) for _ in range(5)]
    for one in (job, *jobs):
        assert taken.take(one)
    taken.executor.wake()
    await taken.all_ended(jobs)
    await taken.executor.close()
    threaded_jobs.release.set()
    await taken.all_ended([job])
    await until(lambda: threading.active_count() <= before)
