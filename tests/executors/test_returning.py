"""No job succeeds whose work has yet to be awaited or iterated."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path

import pytest
import returning_jobs
from support import WITHIN_S

from chancy import Job, Limit, Queue, State, Worker
from chancy_core.values.queue import Executor

PLAIN = (Executor.Auto, Executor.Threaded, Executor.Process)
LOOP = (Executor.Auto, Executor.Async, Executor.Process)

UNFINISHED = {
    "generator": (PLAIN, "generator", "list("),
    "lazy_map": (PLAIN, "map", "list("),
    "async_generator": (PLAIN, "async_generator", "async for"),
    "waiting_future": (PLAIN, "Future", "result()"),
    "awaitable": (PLAIN, "Later", "await it in the function"),
    "returns_a_generator_after_all": (PLAIN, "generator", "list("),
    "generator_from_async": (LOOP, "generator", "list("),
    "loop_future": (LOOP, "Future", "await it in the function"),
    "task": (LOOP, "Task", "await it in the function"),
}


@pytest.mark.parametrize("executor", [*PLAIN, Executor.Async])
async def test_what_is_not_done_when_it_is_returned_is_awaited_or_fails(chancy, tmp_path, executor):
    """A coroutine runs, once; whatever else is unfinished fails for good, though its result was not wanted."""
    await chancy.declare(Queue("q", executor=executor, concurrency=20))
    unfinished = {name: case for name, case in UNFINISHED.items() if executor in case[0]}
    good = [name for name, homes in (("touches", PLAIN), ("touches_twice_async", LOOP)) if executor in homes]
    async with Worker(chancy):
        awaited = await chancy.push_many("q", *(job(name, tmp_path) for name in good))
        refused = await chancy.push_many(
            "q", *(job(n, tmp_path, max_attempts=3, keep_result=k) for n in unfinished for k in (True, False))
        )
        for name, ended in zip(good, await chancy.wait_for_jobs(awaited, timeout=WITHIN_S), strict=True):
            assert (ended.state, ended.result, ended.errors) == (State.SUCCEEDED, "touched", [])
            assert (tmp_path / name).exists()
        ends = await chancy.wait_for_jobs(refused, timeout=WITHIN_S)
    for name, ended in zip([n for n in unfinished for _ in range(2)], ends, strict=True):
        _, kind, cure = unfinished[name]
        assert (ended.state, ended.attempts, ended.errors[0].type) == (State.FAILED, 1, "CannotRun")
        assert f"{ended.func} returned an object of type {kind}, which" in ended.errors[0].message
        assert cure in ended.errors[0].message


async def test_an_error_of_a_returned_coroutine_is_the_jobs_own(chancy, tmp_path):
    """It is recorded with its traceback, and a file that is returned open is no unfinished work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        async with Worker(chancy):
            jobs = await chancy.push_many("default", job("raises", tmp_path), job("open_file", tmp_path))
            failed, opened = await chancy.wait_for_jobs(jobs, timeout=WITHIN_S)
    assert (failed.state, failed.errors[0].type) == (State.FAILED, "ValueError")
    assert "raise ValueError(path)" in failed.errors[0].traceback
    assert opened.state is State.SUCCEEDED
    assert opened.note.startswith("The result was not kept")


async def test_within_a_limit_a_coroutine_is_awaited_too(chancy, tmp_path):
    """With a time limit the same holds on the loop, and in a child."""
    limits = [Limit(Limit.Type.TIME, 60)]
    async with Worker(chancy):
        names = ("touches", "touches_twice_async", "task")
        jobs = await chancy.push_many("default", *(job(name, tmp_path, limits=limits) for name in names))
        plain, coroutine, task = await chancy.wait_for_jobs(jobs, timeout=WITHIN_S)
    assert (plain.result, coroutine.result, task.state) == ("touched", "touched", State.FAILED)
    assert await asyncio.to_thread(lambda: {path.name for path in Path(tmp_path).iterdir()}) == set(names[:2])


def job(name: str, folder: Path, **fields: object) -> Job:
    assert hasattr(returning_jobs, name)
    return Job(func=f"returning_jobs.{name}", kwargs={"path": str(folder / name)}, **fields)
