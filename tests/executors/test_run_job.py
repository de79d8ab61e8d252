"""`run_job` runs a job where no worker is, as an executor of a worker would."""

from __future__ import annotations

import asyncio
import pickle
import threading
import uuid
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import hostile_jobs
import msgspec
import pytest
import told_jobs
from support import WITHIN_S

from chancy import Job, Limit, Queue, QueuedJob, State, Worker
from chancy_core.errors import JobStopped
from chancy_core.executors import Control, Executor, ExecutorSettings, JobRunner, Report, RunSettings, run_job
from chancy_core.hookspecs import hookimpl
from chancy_core.plugins import Plugin
from chancy_core.values.raised import Wish


def queued(func: str, **fields: Any) -> QueuedJob:
    return QueuedJob(func=func, id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1, **fields)


entered: list[str] = []


class Rounds(Plugin):
    """Tells what it is put round."""

    name = "rounds"

    @hookimpl
    def around_job(self, job: QueuedJob) -> None:
        entered.append(job.func)


def test_it_reports_what_was_returned_or_raised():
    """Functions of both kinds; the report can be pickled and encoded, and holds no exception."""
    done = run_job(queued("jobs.add", kwargs={"a": 1, "b": 2}), RunSettings())
    assert (done.result, done.error, done.begun) == (b"3", None, True)
    assert run_job(queued("jobs.echo", kwargs={"value": [1]}), RunSettings()).result == b"[1]"
    for func in ("hostile_jobs.raises", "hostile_jobs.raises_async"):
        failed = run_job(queued(func), RunSettings())
        assert (failed.error.type, failed.error.message, failed.error.exception) == ("ValueError", "on purpose", None)
        assert failed.error.is_a(ValueError, "Nothing")
        assert pickle.loads(pickle.dumps(failed)) == failed
        assert msgspec.json.decode(msgspec.json.encode(failed), type=Report) == failed


def test_verdicts_travel_with_the_report():
    """A snooze is told as one, with its delay."""
    told = run_job(queued("told_jobs.snoozes_once", kwargs={"key": "elsewhere", "seconds": 5}), RunSettings())
    assert (told.error.wish, told.error.delay_s, told.error.message) == (Wish.SNOOZE, 5, "not yet")


@pytest.mark.parametrize(
    ("job", "settings", "kind"),
    [
        (queued("nowhere.f"), RunSettings(), "CannotRunHere"),
        (queued("jobs.noop"), RunSettings(functions=("other.*",)), "CannotRunHere"),
        (queued("jobs.add", kwargs={"a": 1}), RunSettings(), "CannotRun"),
        (queued("jobs.add", limits=[Limit(Limit.Type.TIME, 5)], kwargs={"a": 1, "b": 1}), RunSettings(), "LimitNotEnf"),
        (queued("jobs.noop", limits=[Limit(Limit.Type.MEMORY, 2**30)]), RunSettings(), "LimitNotEnforced"),
    ],
)
def test_what_cannot_be_run_was_not_begun(job, settings, kind):
    """Whose fault that is, is told by the kind of the error; the function is not called."""
    told = run_job(job, settings)
    assert not told.begun
    assert told.error.type.startswith(kind)


def test_limits_are_enforced_where_that_is_possible():
    """A coroutine over its time limit is cancelled; a limit that the caller enforces is left to it."""
    over = run_job(queued("hostile_jobs.hangs_async", limits=[Limit(Limit.Type.TIME, 0.05)]), RunSettings())
    assert over.error.type == "TimeLimitExceeded"
    ours = RunSettings(enforces=frozenset({Limit.Type.MEMORY}))
    assert run_job(queued("hostile_jobs.pid", limits=[Limit(Limit.Type.MEMORY, 2**30)]), ours).error is None


def test_results_and_meta_have_their_limits():
    """What is too large is left out, and told; a meta that the run changed comes with the report."""
    told = run_job(queued("hostile_jobs.large", kwargs={"size": 100}), RunSettings(result_limit_bytes=50))
    assert told.result is None
    assert told.note == "The result was not kept: it takes 102 bytes as JSON, and the limit is 50."
    told = run_job(queued("told_jobs.changes_meta", kwargs={"how": "succeed"}, meta={"mine": True}), RunSettings())
    assert told.meta == b'{"mine":true,"runs":1}'


def test_plugins_are_put_round_the_run():
    """`around_job` is entered where the job runs."""
    entered.clear()
    run_job(queued("jobs.noop"), RunSettings(around=(Rounds(),)))
    assert entered == ["jobs.noop"]


def test_a_run_is_stopped_by_its_control():
    """Progress is heard, and the next checkpoint of a job that was told to stop raises."""
    told_jobs.seen.clear()
    heard = threading.Event()
    control = Control(lambda _: heard.set())

    def stop() -> None:
        heard.wait(WITHIN_S)
        control.stop("enough")

    thread = threading.Thread(target=stop)
    thread.start()
    told = run_job(queued("told_jobs.goes_on_until_stopped"), RunSettings(), control)
    thread.join()
    assert told.error.is_a(JobStopped)
    assert told.error.message == "enough"


async def test_on_a_loop_a_coroutine_function_is_refused_with_the_way_out():
    """It would block the loop that runs; nothing was begun."""
    told = run_job(queued("jobs.noop"), RunSettings())
    assert not told.begun
    assert "asyncio.to_thread" in told.error.message
    assert (await asyncio.to_thread(run_job, queued("jobs.noop"), RunSettings())).error is None


def test_a_runner_keeps_its_loop():
    """Coroutine functions that one runner runs share a loop."""
    with JobRunner(RunSettings()) as runner:
        loops = [runner.run(queued("told_jobs.which_loop")).result for _ in range(2)]
    assert loops[0] == loops[1]


class Pool(Executor):
    """An engine of somebody's: a pool of processes that knows nothing of Chancy."""

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self._pool = ProcessPoolExecutor(2)

    async def run(self, job: QueuedJob) -> Report:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, run_job, job, self.settings.for_elsewhere())
        except BaseException as error:
            return Report.raised(error)

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


async def test_an_engine_elsewhere_runs_the_jobs_of_a_queue(chancy):
    """Successes, failures that are retried by kind, and snoozes: as on an executor of ours, with the same records."""
    await chancy.declare(Queue("q", executor="test_run_job.Pool"))
    async with Worker(chancy):
        good = await chancy.push(Job.from_func(hostile_jobs.pid, queue="q"))
        bad = await chancy.push(Job("hostile_jobs.raises", queue="q", max_attempts=3, give_up_on=(ValueError,)))
        wrong = await chancy.push(Job("hostile_jobs.pid", queue="q", kwargs={"no": 1}, max_attempts=3))
        good, bad, wrong = await chancy.wait_for_jobs([good, bad, wrong], timeout=WITHIN_S)
    assert good.state is State.SUCCEEDED
    assert (bad.state, bad.attempts, bad.errors[0].type) == (State.FAILED, 1, "ValueError")
    assert 'raise ValueError("on purpose")' in bad.errors[0].traceback
    assert (wrong.state, wrong.errors[0].type) == (State.FAILED, "CannotRun")
