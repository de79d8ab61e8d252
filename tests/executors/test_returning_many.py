"""No job succeeds that returned a list of what has yet to be awaited or iterated."""

from __future__ import annotations

import pytest
from returning_jobs import MANY
from support import WITHIN_S

from chancy import Job, Queue, State, Worker
from chancy_core.values.queue import Executor

ON = {
    "threads": (Executor.Threaded, [name for name in MANY if not name.endswith("_async")]),
    "processes": (Executor.Process, list(MANY)),
    "the loop": (Executor.Async, [name for name in MANY if name.endswith("_async")]),
}


@pytest.mark.parametrize("where", ON)
async def test_a_list_of_coroutines_that_nobody_awaits_is_no_success(chancy, tmp_path, where):
    """`return [send(to) for to in everybody]` fails for good and says so, also when the result was not wanted."""
    executor, names = ON[where]
    await chancy.declare(Queue("q", executor=executor, concurrency=5))
    made = [
        Job(f"returning_jobs.{name}", kwargs={"path": str(tmp_path / name)}, keep_result=keep, max_attempts=3)
        for name in names
        for keep in (True, False)
    ]
    async with Worker(chancy):
        ends = await chancy.wait_for_jobs(await chancy.push_many("q", made), timeout=WITHIN_S)
    for ended in ends:
        kind, inner = MANY[ended.func.partition(".")[2]]
        assert (ended.state, ended.attempts) == (State.FAILED, 1)
        assert f"returned an object of type {kind} with one of type {inner} in it, which" in ended.errors[0].message
        assert "in the function" in ended.errors[0].message


async def test_a_list_of_anything_else_is_a_result(chancy):
    """Also an empty one, and one of lists."""
    values = [[], {}, [1, "a"], [[1], [2]], {"a": [1]}, [None]]
    async with Worker(chancy):
        references = await chancy.push_many(Job("jobs.echo", kwargs={"value": value}) for value in values)
        ends = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert [ended.result for ended in ends] == values
