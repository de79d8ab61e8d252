"""`context.step` and `context.each`: what a job has done is not done again by its next attempt."""

import pytest
import step_jobs

from chancy import Backoff, Chancy, Queue, Worker
from chancy_workflow import Run

TIMEOUT = 60


@pytest.mark.parametrize(
    ("job", "executor"),
    [
        (step_jobs.in_steps.job, None),
        (step_jobs.in_plain_steps.job, None),
        (step_jobs.in_plain_steps.job, "process"),
    ],
    ids=["coroutine", "thread", "child process"],
)
async def test_the_next_attempt_goes_on_where_the_one_before_broke_off(chancy, tmp_path, job, executor):
    """What has returned is not called again; the item at which the loop broke off comes again, and more than before."""
    book = tmp_path / "book"
    job = job.with_kwargs(book=str(book), items=["a", "b", "c"]).with_max_attempts(3)
    if executor:
        await chancy.declare(Queue("other", executor=executor))
        job = job.with_queue("other")
    async with Worker(chancy):
        reference = await chancy.push(job.with_backoff(Backoff(base_s=0.01)))
        ended = await reference.wait(timeout=TIMEOUT)
    assert ended.result == [["noted", "first"], ["noted", "last"]], ended.errors
    assert book.read_text().split() == ["first", "a", "b", "b", "c", "last"]


async def test_a_job_without_a_plugin_that_keeps_anything_is_told_what_to_install(chancy, tmp_path):
    """By its error, before anything of the step is done."""
    job = step_jobs.in_steps.job.with_kwargs(book=str(tmp_path / "book"), items=[])
    async with Chancy(chancy.dsn, schema=chancy.settings.schema, discover=False) as other, Worker(other):
        ended = await (await other.push(job)).wait(timeout=TIMEOUT)
    assert "pip install chancy-workflow" in ended.errors[-1].message
    assert not (tmp_path / "book").exists()


async def test_a_loop_under_the_name_of_a_step_is_refused(chancy):
    """In words that name it."""
    async with Worker(chancy):
        ended = await (await chancy.push(step_jobs.in_wrong_steps)).wait(timeout=TIMEOUT)
    assert "'same'" in ended.errors[-1].message
    assert "name of its own" in ended.errors[-1].message


async def test_a_job_pushes_a_workflow_by_its_context(chancy):
    """And gets its run."""
    async with Worker(chancy):
        ended = await (await chancy.push(step_jobs.pushes_a_workflow)).wait(timeout=TIMEOUT)
        status = await Run(chancy, ended.result).wait(timeout=TIMEOUT)
    assert (status.name, status.state) == ("pushed by a job", "failed")
