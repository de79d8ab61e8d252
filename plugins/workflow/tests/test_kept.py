"""What a job keeps of its own steps."""

from types import SimpleNamespace

import flow_jobs
import pytest

from chancy import Backoff, Worker
from chancy_workflow import InvalidWorkflow, Kept, Workflows

TIMEOUT = 60


async def test_another_attempt_does_not_take_again_what_was_kept(chancy):
    """A step that returned, and how far a loop was."""
    ended = await twice(chancy, flow_jobs.checkout.job)
    assert ended.result == [[7, "paid"], "shipped"]
    assert flow_jobs.CALLED == ["charge 7", "loop 0", "loop 1", "ship 7", "loop 2", "loop 3", "ship 7"]


async def test_what_is_kept_in_a_transaction_goes_with_it(chancy):
    """Without asyncio: what was rolled back was not kept, and is done; what was committed is not done again."""
    ended = await twice(chancy, flow_jobs.checkout_in_a_thread.job)
    assert ended.result == [14, "shipped"]
    assert flow_jobs.CALLED == ["rolled back 7", "charge 7", "ship 7", "ship 7"]


async def twice(chancy, job):
    """The job, whose first attempt fails."""
    flow_jobs.CALLED.clear()
    async with Worker(chancy):
        job = job.with_kwargs(order=7).with_max_attempts(2).with_backoff(Backoff(base_s=0.01))
        return await (await chancy.push(job)).wait(timeout=TIMEOUT)


async def test_what_was_kept_goes_when_its_job_has(new_chancy, query, until):
    """Not before: a job that is live may be tried again."""
    async with new_chancy(Workflows(interval=0.1, keep="1m")) as chancy:
        live = await chancy.push(flow_jobs.sleep.job.with_queue("default").with_priority(5))
        for job in (live.identifier, "01a22169-db82-747d-85e0-b1e1eccf1006"):
            query("INSERT INTO {s}.workflow_kept VALUES (%s, 'x', '1', now() - interval '1 day')", job)
        async with Worker(chancy, grace_s=0):
            await until(lambda: query("SELECT job FROM {s}.workflow_kept") == [(live.identifier,)])


async def test_what_cannot_be_kept_is_refused(chancy):
    """A value that is no JSON, and a name that is none."""
    kept = Kept(SimpleNamespace(chancy=chancy, id="01a22169-db82-747d-85e0-b1e1eccf1006"))
    with pytest.raises(InvalidWorkflow, match="to be kept as 'x'"):
        await kept.save("x", object())
    with pytest.raises(InvalidWorkflow, match="name of what is kept"):
        await kept.step("", int)
