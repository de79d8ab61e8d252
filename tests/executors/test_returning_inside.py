"""No job succeeds whose work waits behind other values of its result, or in what nobody enters."""

from __future__ import annotations

import pytest
from returning_inside_jobs import WHAT
from support import WITHIN_S

from chancy import Job, Queue, State, Worker
from chancy_core.values.queue import Executor


@pytest.mark.parametrize("executor", [Executor.Auto, Executor.Process])
@pytest.mark.filterwarnings("error::RuntimeWarning")
async def test_a_coroutine_behind_other_values_was_a_success(chancy, executor):
    """Whether its result is kept or not, it fails for good, with the kind of what was not done."""
    await chancy.declare(Queue("q", executor=executor, concurrency=4))
    made = [Job(f"returning_inside_jobs.{name}", keep_result=keep) for name in WHAT for keep in (True, False)]
    async with Worker(chancy):
        ends = await chancy.wait_for_jobs(await chancy.push_many("q", made), timeout=WITHIN_S)
    for ended in ends:
        assert ended.state == State.FAILED, ended.func
        assert f"of type {WHAT[ended.func.partition('.')[2]]}" in ended.errors[0].message
        assert "in the function" in ended.errors[0].message or "contextmanager" in ended.errors[0].message


async def test_values_that_are_done_are_results_at_any_depth(chancy):
    """What is looked at costs nobody his result."""
    values = [[[[[1]]]], {"a": {"b": {"c": None}}}, [[1] * 50] * 20, [None, [], {}]]
    async with Worker(chancy):
        references = await chancy.push_many(Job("jobs.echo", kwargs={"value": value}) for value in values)
        ends = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert [ended.result for ended in ends] == values
