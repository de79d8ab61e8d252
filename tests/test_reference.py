"""References: handles that can be waited for, compared, printed and made again."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from support import until

from chancy import Job, Reference, State, Worker
from chancy_core import waiting
from chancy_core.errors import InvalidJob, JobNotFound, NotOpen, WaitTimeout

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


async def test_wait_returns_the_finished_job(chancy):
    """wait() comes back once the job has finished, with everything about it."""
    async with Worker(chancy) as worker:
        job = await (await chancy.push(ECHO)).wait(timeout=20)
    assert (job.state, job.result, job.attempts, job.worker) == (State.SUCCEEDED, 1, 1, worker.name)
    assert job.created_at <= job.started_at <= job.completed_at


async def test_wait_gives_up_in_time_and_the_job_goes_on(chancy):
    """A wait that times out says so, and a later one succeeds."""
    reference = await chancy.push(ECHO)
    with pytest.raises(WaitTimeout, match=r"has not finished within 0\.05 s"):
        await reference.wait(timeout=0.05)
    with pytest.raises(TimeoutError):
        await chancy.wait_for_jobs([reference], timeout=0.05)
    async with Worker(chancy):
        assert (await reference.wait(timeout=20)).state == State.SUCCEEDED


async def test_what_does_not_exist_is_not_waited_for(chancy, monkeypatch):
    """A job that is nowhere: get_job says None, get and wait raise."""
    monkeypatch.setattr(waiting, "MISSING_GRACE_S", 0.1)
    nobody = chancy.reference(uuid.uuid4())
    assert await chancy.get_job(nobody) is None
    for look in (nobody.get, nobody.wait):
        with pytest.raises(JobNotFound, match="There is no job"):
            await look()


async def test_a_reference_can_be_made_again_from_its_text(chancy):
    """str() and chancy.reference() carry a reference anywhere; equality and hash go by id."""
    reference = await chancy.push(ECHO)
    again = chancy.reference(str(reference))
    assert again == reference == Reference(str(reference))
    assert len({again, reference}) == 1
    assert str(reference) in repr(reference)
    assert (await again.get()).id == reference.identifier
    with pytest.raises(InvalidJob, match="'nonsense' is not the id of a job"):
        chancy.reference("nonsense")
    with pytest.raises(NotOpen, match="belongs to no Chancy"):
        await Reference(str(reference)).wait()


async def test_many_references_behave_like_a_sequence(chancy):
    """push_many's answer can be indexed, sliced, iterated, measured and compared."""
    references = await chancy.push_many([ECHO] * 5)
    listed = list(references)
    assert references[0] == listed[0]
    assert references[-1] == listed[4]
    assert references[1:3] == listed[1:3]
    assert references == listed
    assert listed[2] in references
    with pytest.raises(IndexError):
        references[5]


async def test_waiting_together(chancy):
    """wait_for_jobs and get_jobs answer in the order of the references."""
    references = await chancy.push_many(ECHO.with_kwargs(value=i) for i in range(20))
    async with Worker(chancy):
        jobs = await chancy.wait_for_jobs(reversed(references), timeout=20)
    assert [job.result for job in jobs] == list(range(19, -1, -1))
    found = await chancy.get_jobs([references[3], uuid.uuid4(), str(references[4])])
    assert [job and job.result for job in found] == [3, None, 4]


async def test_a_thousand_waiters_share_their_queries(chancy, monkeypatch):
    """A thousand tasks that wait for a thousand jobs cost as many queries as one."""
    looks = 0
    look = chancy._waiter._look

    async def counted() -> None:
        nonlocal looks
        looks += 1
        await look()

    monkeypatch.setattr(chancy._waiter, "_look", counted)
    references = await chancy.push_many([ECHO] * 1000)
    waits = [asyncio.create_task(reference.wait(timeout=60)) for reference in references]
    loop = asyncio.get_running_loop()
    start = loop.time()
    await until(lambda: looks >= 8)
    waited_s = loop.time() - start
    # The first few come quickly; from then on the longest pause is between any two.
    assert looks <= 5 + waited_s / waiting.LONGEST_PAUSE_S + 1
    async with Worker(chancy):
        assert {job.state for job in await asyncio.gather(*waits)} == {State.SUCCEEDED}
    assert not chancy._waiter._wanted


def test_waiting_without_asyncio(new_chancy):
    """sync_wait times out as wait does."""
    with new_chancy() as chancy:
        reference = chancy.sync_push(ECHO)
        with pytest.raises(WaitTimeout):
            reference.sync_wait(timeout=0.1)
        assert reference.sync_get().state == State.PENDING
