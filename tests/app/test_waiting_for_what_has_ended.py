"""Waiting for jobs that have finished already takes a question, and no pause."""

from __future__ import annotations

import asyncio

import jobs
import pytest
from support import WITHIN_S, until

from chancy import Job, Worker
from chancy_core.app import waiting
from chancy_core.store import flow
from chancy_core.store import jobs as stored

ECHO = Job.from_func(jobs.echo, kwargs={"value": 1})


@pytest.fixture
async def ended(chancy):
    references = await chancy.push_many([ECHO] * 30)
    async with Worker(chancy):
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    await until(lambda: chancy.connections.here.waiter._task is None)
    return references


async def test_who_waits_for_jobs_that_have_ended_waits_for_no_pause(ended, monkeypatch):
    """Five hundred of them, one after another, took 22 seconds, because each wait began with a pause."""
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(waiting, "LONGEST_PAUSE_S", 3600.0)
    async with asyncio.timeout(WITHIN_S):
        for reference in ended:
            assert (await reference.wait()).result == 1


async def test_who_waits_longer_is_looked_at_although_others_keep_coming(chancy, ended, monkeypatch):
    """Somebody who waits for one finished job after another does not put off the looks at the others."""
    reference = await chancy.push(ECHO)
    patient = asyncio.create_task(reference.wait())

    async def come() -> None:
        while not patient.done():
            for other in ended:
                await other.wait()

    coming = asyncio.create_task(come())
    async with Worker(chancy), asyncio.timeout(WITHIN_S):
        assert (await patient).result == 1
        await coming


async def test_what_has_ended_is_asked_for_once_each(ended, monkeypatch):
    """Two statements a wait: whether it has finished, and the job."""
    asked = 0
    answer = flow._answer

    async def counted(cursor, step):
        nonlocal asked
        asked += isinstance(step, flow.Query)
        return await answer(cursor, step)

    monkeypatch.setattr(flow, "_answer", counted)
    monkeypatch.setattr(waiting, "FIRST_PAUSE_S", 3600.0)
    for reference in ended:
        await reference.wait(timeout=WITHIN_S)
    assert asked == 2 * len(ended)


async def test_large_results_are_read_in_different_steps(chancy, monkeypatch):
    """An application that waited for a hundred results of 200 kB read all of them in one step of its loop."""
    large = Job.from_func(jobs.echo, kwargs={"value": "x" * 200_000})
    references = await chancy.push_many([large] * 12)
    async with Worker(chancy):
        await asyncio.gather(*(reference.wait(timeout=WITHIN_S) for reference in references))
    pauses: list[int] = []
    read = 0
    answer, stored_job = flow._answer, stored.stored_job

    async def counted(cursor, step):
        nonlocal read
        if isinstance(step, flow.Pause):
            pauses.append(read)
            read = 0
        return await answer(cursor, step)

    def noted(row):
        nonlocal read
        read += len(row[2]) + len(row[21])
        return stored_job(row)

    monkeypatch.setattr(flow, "_answer", counted)
    monkeypatch.setattr(stored, "stored_job", noted)
    found = await chancy.get_jobs(references)
    assert [len(job.result) for job in found] == [200_000] * 12
    assert len(pauses) >= 4
    assert max(pauses) <= stored.READ_BYTES + 400_100
