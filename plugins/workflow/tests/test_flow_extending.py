"""Steps that are added to a run while it is under way."""

import flow_jobs
import pytest

from chancy import Backoff, Worker
from chancy_workflow import InvalidWorkflow, RunState, Workflow, extending

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


async def test_a_step_named_twice_in_before_was_an_error_of_the_database(chancy):
    """It is meant once."""
    flow, more = Workflow("grows"), Workflow("more")
    flow.add("load", GIVE, after=flow.wait("go"))
    more.add("new", GIVE)
    run = await chancy.push(flow)
    assert await run.extend(more, before=["load", "load"])
    assert (await run.status()).steps["load"].after == {"go": "succeeded", "new": "succeeded"}
    async with Worker(chancy):
        await run.signal("go")
        assert (await run.wait(timeout=TIMEOUT)).state == "succeeded"


async def test_a_run_grew_beyond_what_a_workflow_may_have(chancy, query, monkeypatch):
    """It is refused in words, and nothing is added; what is there already may be added again."""
    monkeypatch.setattr(extending, "STEPS_MOST", 3)
    flow, more, one = Workflow("grows"), Workflow("more"), Workflow("one")
    flow.add("last", GIVE, after=flow.wait("go"))
    for n in range(2):
        more.add(f"new {n}", GIVE)
    one.add("new 0", GIVE)
    run = await chancy.push(flow)
    with pytest.raises(InvalidWorkflow, match="has 2 steps: with 2 more it had more than 3"):
        await run.extend(more)
    assert await run.extend(one)
    assert not await run.extend(one)
    assert query("SELECT count(*) FROM {s}.workflow_steps") == [(3,)]
