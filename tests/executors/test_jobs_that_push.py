"""A job reaches the Chancy of its worker, in every executor: it pushes, looks, and waits for nobody to open it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import pushing_jobs
import pytest
from processing import queued, within
from pushing_jobs import Marker, local_plugin

from chancy import Chancy, Job, JobContext, Queue, Worker
from chancy_core.errors import NotOpen
from chancy_core.executors import RunSettings, run_job
from chancy_core.executors.context import context_of
from chancy_core.executors.control import Control
from chancy_core.values.queue import Executor

PLACES = [Executor.Async, Executor.Threaded, Executor.Process, Executor.Auto]


async def ran(chancy: Chancy, executor: str, job: Job) -> Any:
    """What a job came to on an executor, whose worker serves no other queue."""
    await chancy.declare(Queue("here", executor=executor))
    await chancy.declare(Queue("mail", tags=["nobody"]))
    await chancy.declare(Queue("default", tags=["nobody"]), upsert=True)
    async with Worker(chancy):
        reference = await chancy.push("here", job)
        return await reference.wait(timeout=120)


@pytest.mark.parametrize("executor", PLACES)
@pytest.mark.parametrize("function", [pushing_jobs.pushes_async, pushing_jobs.pushes])
async def test_a_job_pushes_from_wherever_it_runs(new_chancy: Callable[..., Chancy], executor, function):
    """On the loop, in a thread, in a child process: with the plugins of its worker, to the queue that it names."""
    if executor == Executor.Async and function is pushing_jobs.pushes:
        pytest.skip("plain functions do not run on the loop")
    async with new_chancy(plugins=[Marker(word="w")]) as chancy:
        done = await ran(chancy, executor, Job.from_func(function))
        assert done.state == "succeeded", done.errors
        pushed, many, queue, pid = done.result
        assert (many, queue) == (2, "default")
        assert (pid != os.getpid()) is (executor == Executor.Process)
        assert (await chancy.get_job(pushed)).meta == {"word": "w", "pid": pid}
        counts = await chancy.count_jobs()
        assert {name: counts[name] for name in ("default", "mail")} == {
            "default": {"pending": 1},
            "mail": {"pending": 3},
        }


async def test_a_child_has_the_settings_of_its_worker_and_tells_nobody(new_chancy):
    """Schema, limits and the tables of plugins; neither the command line nor the environment names the database."""
    async with new_chancy(payload_limit_bytes=77_777) as chancy:
        done = await ran(chancy, Executor.Process, Job.from_func(pushing_jobs.shows))
    assert done.state == "succeeded", done.errors
    assert done.result == {"told": False, "schema": chancy.settings.schema, "limit": 77_777}


async def test_a_plugin_that_cannot_be_sent_is_told_to_the_job_that_pushes(new_chancy):
    """Other jobs run in the child as ever; one that pushes would push without it."""
    async with new_chancy(plugins=[local_plugin()]) as chancy:
        done = await ran(chancy, Executor.Process, Job.from_func(pushing_jobs.pushes, max_attempts=1))
        assert done.errors[0].type == "PluginError"
        assert "The plugin 'local' cannot be sent to child processes" in done.errors[0].message
        done = await ran(chancy, Executor.Process, Job(func="jobs.echo", kwargs={"value": 1}))
        assert done.state == "succeeded"


async def test_a_child_closes_its_own(new_chancy, query, until):
    """With the child its connections go, and not with the job: the next one uses them."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("here", executor=Executor.Process))
        await chancy.declare(Queue("mail", tags=["nobody"]))
        async with Worker(chancy, concurrency=1):
            jobs = await chancy.push_many("here", [Job.from_func(pushing_jobs.pushes, limits=[within(60)])] * 2)
            done = await chancy.wait_for_jobs(jobs, timeout=120)
            assert [job.state for job in done] == ["succeeded"] * 2, done[0].errors
            pids = {job.result[3] for job in done}
    for pid in pids:
        await until(lambda pid=pid: not _lives(pid))
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chancy' AND query LIKE '%%{s}%%'"
    await until(lambda: query(left) == [(0,)])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_run_without_a_worker_says_so():
    """Who calls run_job with settings of his own is told which ones have a Chancy."""
    report = run_job(queued(pushing_jobs.pushes), RunSettings())
    assert report.error.type == "NotOpen"
    assert "for_elsewhere" in report.error.message
    with pytest.raises(NotOpen):
        context_of(queued(pushing_jobs.pushes), Control()).chancy  # noqa: B018 -- raises


def test_a_context_has_the_methods_of_a_chancy():
    """With the same parameters as those that they call."""
    for name in ("push", "sync_push"):
        ours, theirs = inspect.signature(getattr(JobContext, name)), inspect.signature(getattr(Chancy, name))
        assert list(ours.parameters) == list(theirs.parameters)
        assert [p.default for p in ours.parameters.values()] == [p.default for p in theirs.parameters.values()]
