"""Steps that are added to a run while it is under way."""

import flow_jobs
import pytest

from chancy import Backoff, Worker
from chancy_workflow import InvalidWorkflow, RunState, Workflow

GIVE = flow_jobs.give.job
TIMEOUT = 60


async def test_a_step_adds_others_and_a_retry_of_it_adds_none_twice(chancy):
    """A step that waited waits for these too, and the run has ended when they have."""
    flow = Workflow("grows")
    job = flow_jobs.plan.job.with_kwargs(numbers=[1, 2, 3]).with_max_attempts(2).with_backoff(Backoff(base_s=0.01))
    flow.add("join", GIVE.with_kwargs(value="joined"), after=flow.add("plan", job))
    async with Worker(chancy):
        ended = await (await chancy.push(flow)).wait(timeout=TIMEOUT)
    assert ended.state == "succeeded", str(ended)
    assert [ended.result(f"more {n}") for n in (1, 2, 3)] == [2, 4, 6]
    assert len(ended.steps) == 6
    assert ended.steps["join"].begun_at >= max(ended.steps[f"more {n}"].ended_at for n in (1, 2, 3))


async def test_what_cannot_be_added_is_refused_and_nothing_is(chancy, query):
    """Names that are there in part, steps that are not there or do not wait, and runs that have ended."""
    flow, more = Workflow("fixed"), Workflow("more")
    flow.add("join", GIVE, after=flow.add("first", GIVE))
    more.add("new", GIVE)
    run = await chancy.push(flow)
    for before, error, words in (("jion", InvalidWorkflow, "'join'"), ("first", RunState, "does not wait any more")):
        with pytest.raises(error, match=words):
            await run.extend(more, before=before)
    both = Workflow("both")
    both.add("first", GIVE)
    both.add("new", GIVE)
    with pytest.raises(InvalidWorkflow, match="'first' already, and none 'new'"):
        await run.extend(both)
    await run.cancel(handlers=False)
    with pytest.raises(RunState, match="no steps can be added"):
        await run.extend(more)
    assert query("SELECT count(*) FROM {s}.workflow_steps") == [(2,)]
