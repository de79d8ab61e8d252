"""Large arguments and results hold up a worker's event loop for one of them at most, however many there are."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import jobs
import pytest
from processing import queued
from support import WITHIN_S, until

from chancy_core.executors import ExecutorSettings, StopReason, report
from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.executors.functions import Functions
from chancy_core.values.job import Job
from chancy_core.values.turns import STEP_BYTES
from chancy_core.worker import Worker, claimed

pytestmark = pytest.mark.usefixtures("_fresh")

SIZE = 200_000
COUNT = 12


class Steps:
    """Counts the steps of the loop, and what is done in each."""

    def __init__(self) -> None:
        self._now = 0
        self._done: Counter[int] = Counter()

    async def count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self._now += 1

    def did(self, size: int) -> None:
        self._done[self._now] += size

    @property
    def total(self) -> int:
        return self._done.total()

    @property
    def most(self) -> int:
        return max(self._done.values())


@pytest.fixture
async def steps():
    found = Steps()
    task = asyncio.create_task(found.count())
    yield found
    task.cancel()


async def test_results_that_are_ready_at_once_are_encoded_in_different_steps(chancy, monkeypatch, steps):
    """A hundred results of a megabyte, returned in one step of the loop, held it for seconds."""
    encode = report.encode_checked

    def noted(value: Any, path: str) -> bytes:
        encoded = encode(value, path)
        steps.did(len(encoded))
        return encoded

    monkeypatch.setattr(report, "encode_checked", noted)
    references = await chancy.push_many([Job.from_func(jobs.echo, kwargs={"value": "x" * SIZE})] * COUNT)
    async with Worker(chancy):
        finished = [await reference.wait(timeout=WITHIN_S) for reference in references]
    assert {job.result for job in finished} == {"x" * SIZE}
    assert steps.total > COUNT * SIZE
    assert steps.most <= STEP_BYTES + SIZE


async def test_results_that_are_not_kept_take_turns_too(chancy, monkeypatch, steps):
    """That a result is too large, or is no JSON, is known when it has been encoded, or looked at."""
    looked = 0
    encode = report.encode_checked

    def noted(value: Any, path: str) -> bytes:
        nonlocal looked
        looked += 1
        steps.did(1)
        return encode(value, path)

    monkeypatch.setattr(report, "encode_checked", noted)
    monkeypatch.setattr(report, "too_large", lambda *_: "too large")
    references = await chancy.push_many([Job.from_func(jobs.echo, kwargs={"value": "x" * 300_000})] * COUNT)
    async with Worker(chancy):
        finished = [await reference.wait(timeout=WITHIN_S) for reference in references]
    assert {job.note for job in finished} == {"too large"}
    assert (looked, steps.most) == (COUNT, 1)


async def test_arguments_of_one_claim_are_read_in_different_steps(chancy, monkeypatch, steps):
    """What compresses well comes in one claim of a hundred megabytes."""
    read = claimed.readable_job

    def noted(row: Any) -> Any:
        steps.did(len(row[2]))
        return read(row)

    monkeypatch.setattr(claimed, "readable_job", noted)
    references = await chancy.push_many([Job.from_func(jobs.noop, kwargs={"value": "x" * SIZE})] * COUNT)
    async with Worker(chancy):
        finished = [await reference.wait(timeout=WITHIN_S) for reference in references]
    assert {job.state for job in finished} == {"succeeded"}
    assert steps.total > COUNT * SIZE
    assert steps.most <= claimed.READ_BYTES + SIZE


async def test_a_run_that_is_stopped_while_it_waits_to_be_encoded_keeps_its_result():
    """It is over; that a stop came a moment later does not undo it."""
    executor = AsyncExecutor(ExecutorSettings("test", 1, 10_000, Functions()))
    # Somebody has encoded much, and this step does not end.
    executor._turns._bytes = STEP_BYTES
    job = queued(jobs.echo, value="kept")
    run = asyncio.create_task(executor.run(job))
    await until(lambda: executor._turns._line)
    executor.stop(job, run, StopReason.SHUTDOWN)
    assert (await asyncio.wait_for(run, WITHIN_S)).result == b'"kept"'
