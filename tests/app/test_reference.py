"""References: handles that can be waited for, compared, printed and made again."""

from __future__ import annotations

import asyncio
import uuid

import psycopg
import pytest
from support import WITHIN_S, until

from chancy import Job, Reference, State, Worker
from chancy_core.app import waiting
from chancy_core.errors import InvalidJob, JobNotFound, NotOpen, WaitTimeout
from chancy_core.store import flow

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


async def test_wait_returns_the_finished_job(chancy):
    """wait() comes back once the job has finished, with everything about it."""
    async with Worker(chancy) as worker:
        job = await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
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
        assert (await reference.wait(timeout=WITHIN_S)).state == State.SUCCEEDED


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
        jobs = await chancy.wait_for_jobs(reversed(references), timeout=WITHIN_S)
    assert [job.result for job in jobs] == list(range(19, -1, -1))
    found = await chancy.get_jobs([references[3], uuid.uuid4(), str(references[4])])
    assert [job and job.result for job in found] == [3, None, 4]


async def test_a_thousand_waiters_share_their_queries(chancy, monkeypatch):
    """A thousand tasks that wait for a thousand jobs cost as many queries as one."""
    looks = 0
    look = chancy.connections.here.waiter._look

    async def counted(ids) -> None:
        nonlocal looks
        looks += 1
        await look(ids)

    monkeypatch.setattr(chancy.connections.here.waiter, "_look", counted)
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
    assert not chancy.connections.here.waiter._wanted


def test_waiting_without_asyncio(new_chancy):
    """sync_wait times out as wait does."""
    with new_chancy() as chancy:
        reference = chancy.sync_push(ECHO)
        with pytest.raises(WaitTimeout):
            reference.sync_wait(timeout=0.1)
        assert reference.sync_get().state == State.PENDING


async def test_a_thousand_waiters_cost_a_handful_of_queries_a_second(chancy, monkeypatch):
    """Counted on the way to the database: a thousand waiters ask no more often than one, whoever comes and goes."""
    asked = 0
    answer = flow._answer

    async def counted(cursor, step):
        nonlocal asked
        asked += b"finished_jobs" in step.text
        return await answer(cursor, step)

    references = await chancy.push_many([ECHO] * 1000)
    monkeypatch.setattr(flow, "_answer", counted)
    waits = [asyncio.create_task(reference.wait()) for reference in references for _ in range(2)]
    loop = asyncio.get_running_loop()
    start = loop.time()
    await until(lambda: asked >= 9)
    assert asked <= 5 + (loop.time() - start) / waiting.LONGEST_PAUSE_S + 1
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)
    assert not chancy.connections.here.waiter._wanted
    await until(lambda: chancy.connections.here.waiter._task is None)


@pytest.mark.parametrize(("func", "state"), [("jobs.echo", "succeeded"), ("jobs.fail", "failed")])
async def test_whoever_waits_and_however_gets_the_same_job(chancy, func, state):
    """Several waiters of one job, in tasks and in threads, before it runs and after it ended, all get it."""
    reference = await chancy.push(Job(func=func))
    with chancy:
        waits = [asyncio.create_task(reference.wait(timeout=WITHIN_S)) for _ in range(3)]
        waits += [asyncio.create_task(asyncio.to_thread(reference.sync_wait, timeout=WITHIN_S)) for _ in range(2)]
        async with Worker(chancy):
            found = await asyncio.gather(*waits)
        found += [await reference.wait(timeout=0.5), await asyncio.to_thread(reference.sync_wait, timeout=0.5)]
        found += [await reference.get(), await asyncio.to_thread(reference.sync_get)]
    assert {job.state for job in found} == {state}
    assert [job == found[0] for job in found] == [True] * len(found)


async def test_a_waiter_that_gives_up_disturbs_no_other(chancy):
    """When one of two waiters of a job is cancelled, or runs out of time, the other still gets it."""
    reference = await chancy.push(ECHO)
    patient = asyncio.create_task(reference.wait(timeout=WITHIN_S))
    cancelled = asyncio.create_task(reference.wait())
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(WaitTimeout):
        await reference.wait(timeout=0.01)
    async with Worker(chancy):
        assert (await patient).state == State.SUCCEEDED


async def test_a_wait_of_no_time_looks_once_at_most(chancy):
    """A wait with timeout=0 comes back at once, and without a job."""
    reference = await chancy.push(ECHO)
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(WaitTimeout, match="within 0 s"):
            await reference.wait(timeout=0)


async def test_a_job_can_be_waited_for_before_its_commit(chancy, dsn):
    """A reference from the caller's open transaction can be waited for: the wait ends after commit and run."""
    async with Worker(chancy), await psycopg.AsyncConnection.connect(dsn) as connection:
        reference = await chancy.push(ECHO, connection=connection)
        wait = asyncio.create_task(reference.wait(timeout=WITHIN_S))
        await asyncio.sleep(0.05)
        assert not wait.done()
        await connection.commit()
        assert (await wait).state == State.SUCCEEDED


async def test_a_wait_survives_the_loss_of_its_connections(chancy, dsn):
    """While the application's connections are killed again and again, its waiters go on waiting and get their jobs."""
    references = await chancy.push_many([ECHO] * 20)
    waits = asyncio.create_task(chancy.wait_for_jobs(references, timeout=60))
    killed = 0
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
        while killed < 3:
            cursor = await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'chancy' AND query LIKE %s",
                [f"%{chancy.settings.schema}%"],
            )
            killed += cursor.rowcount
            await asyncio.sleep(0.02)
    assert not waits.done()
    async with Worker(chancy):
        assert {job.state for job in await waits} == {State.SUCCEEDED}


async def test_a_wait_without_asyncio_survives_an_outage(chancy, new_chancy, monkeypatch):
    """While the database answers nobody, `sync_wait` waits on, and gets its job once it answers again."""
    reference = await chancy.push(ECHO)
    asked = 0

    def wait():
        with new_chancy() as opened:
            answers = opened.sync_pool.run

            def seldom(*arguments, **named):
                nonlocal asked
                asked += 1
                if asked <= 3:
                    raise psycopg.OperationalError("the connection is lost")
                return answers(*arguments, **named)

            monkeypatch.setattr(opened.sync_pool, "run", seldom)
            return opened.reference(str(reference)).sync_wait(timeout=WITHIN_S)

    monkeypatch.setattr(waiting, "LONGEST_PAUSE_S", 0.01)
    async with Worker(chancy):
        assert (await asyncio.to_thread(wait)).state == State.SUCCEEDED
    assert asked > 3


async def test_one_missing_job_among_many(chancy, monkeypatch):
    """wait_for_jobs says which job is missing as soon as that is clear, and leaves no waiter behind."""
    monkeypatch.setattr(waiting, "MISSING_GRACE_S", 0.1)
    nobody = uuid.uuid4()
    with pytest.raises(JobNotFound, match=str(nobody)):
        await chancy.wait_for_jobs([await chancy.push(ECHO), nobody], timeout=WITHIN_S)
    await until(lambda: not chancy.connections.here.waiter._wanted)


async def test_closing_ends_the_waits(new_chancy):
    """Whoever still waits when the application is closed is cancelled, and does not wait for ever."""
    async with new_chancy() as chancy:
        wait = asyncio.create_task((await chancy.push(ECHO)).wait())
        await asyncio.sleep(0.05)
    async with asyncio.timeout(WITHIN_S):
        await asyncio.wait([wait])
    assert wait.cancelled()


async def test_references_are_no_more_than_their_ids(chancy):
    """A reference is a UUIDv7, in the order of the pushes, and takes no other attribute."""
    references = [await chancy.push(ECHO), *(await chancy.push_many([ECHO] * 3)), await chancy.push(ECHO)]
    assert [reference.identifier.version for reference in references] == [7] * 5
    assert sorted(references, key=lambda reference: reference.identifier) == references
    assert str(references[0]) == references[0] == references[0].identifier
    with pytest.raises(AttributeError):
        references[0].other = 1
