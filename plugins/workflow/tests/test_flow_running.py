"""Workflows that run."""

import flow_jobs

from chancy import Worker
from chancy_workflow import Workflow

TIMEOUT = 60


async def test_a_graph_runs_in_its_order_and_hands_results_on(chancy):
    """A list, a map over it, a sum of what that returned, in a diamond with a step beside it."""
    flow = Workflow("sums")
    numbers = flow.add("list", flow_jobs.give.job.with_kwargs(value=[1, 2, 3]))
    doubled = flow.map("double", flow_jobs.double.job, over=numbers, max_in_flight=2)
    beside = flow.add("beside", flow_jobs.give.job.with_kwargs(value=100), after=numbers)
    flow.add("sum", flow_jobs.total.job.with_kwargs(numbers=doubled, more=beside))
    async with Worker(chancy):
        run = await chancy.push(flow)
        ended = await run.wait(timeout=TIMEOUT)
    assert ended.state == "succeeded", str(ended)
    assert ended.result("double") == [2, 4, 6]
    assert ended.result("sum") == 112
    assert [value async for value in run.results("double")] == [2, 4, 6]


async def test_what_fails_is_undone_and_tidied_up(chancy):
    """`failed` catches, `finished` comes in any case, and what needed the success is skipped."""
    flow = Workflow("tries")
    load = flow.add("load", flow_jobs.fail.job)
    flow.add("use", flow_jobs.give.job, after=load)
    flow.add("undo", flow_jobs.give.job, after=load, when="failed")
    flow.add("tidy", flow_jobs.give.job, after=load, when="finished")
    async with Worker(chancy):
        ended = await (await chancy.push(flow)).wait(timeout=TIMEOUT)
    assert {name: step.state for name, step in ended.steps.items()} == {
        "load": "failed", "use": "skipped", "undo": "succeeded", "tidy": "succeeded",
    }  # fmt: skip
    assert ended.state == "succeeded"
