"""Scheduling: at or after the moment, by the database's clock, and never before."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import jobs
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support import WITHIN_S

from chancy import Backoff, Chancy, Job, State, Worker
from chancy_core.errors import InvalidJob
from chancy_core.store import notices
from chancy_core.worker import heartbeat, promote

ECHO = Job(func="jobs.echo")


# A lease that no test waits for, and so no heartbeat that would look for what is due.
LONG_S = 3600


@pytest.fixture
def no_beats(monkeypatch):
    """Heartbeats that come too late to find anything in this test."""
    for name in ("FIRST_S", "LOOK_EVERY_S"):
        monkeypatch.setattr(heartbeat, name, LONG_S)


def in_s(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_a_scheduled_job_starts_after_its_moment_and_soon(chancy, no_beats):
    """Never before its time, and then by itself: not at some later look of the heartbeat."""
    async with Worker(chancy, lease_s=LONG_S):
        references = [await chancy.push(ECHO.with_scheduled_at(in_s(delay))) for delay in (0.3, 0.7, 1.1)]
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert all(job.started_at >= job.scheduled_at for job in jobs)


async def test_what_is_due_does_not_wait_long_because_a_look_took_long(chancy, query, monkeypatch):
    """After a look that took long, for the many jobs that were due say, the next job is started within moments."""
    monkeypatch.setattr(promote, "SPACING", 1_000_000)
    monkeypatch.setattr(promote, "SPACING_MAX_S", 0.2)
    real = promote.Promoter._promote

    def slow(self):
        yield self._store.query("next_due")
        time.sleep(0.05)
        return (yield from real(self))

    monkeypatch.setattr(promote.Promoter, "_promote", slow)
    reference = await chancy.push(ECHO.with_scheduled_at(in_s(1)))
    async with Worker(chancy):
        await reference.wait(timeout=WITHIN_S)


async def test_any_time_zone_means_the_same_moment(chancy):
    """A moment is a moment, whatever zone it is written in."""
    moment = in_s(3600)
    abroad = moment.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    one, many = (
        await chancy.push(ECHO.with_scheduled_at(abroad)),
        await chancy.push_many([ECHO.with_scheduled_at(abroad)]),
    )
    assert (await one.get()).scheduled_at == moment
    assert (await many[0].get()).scheduled_at == moment


async def test_a_moment_in_the_past_is_now(chancy):
    """Past moments run at once, pushed singly and in bulk."""
    past = ECHO.with_scheduled_at(in_s(-3600))
    async with Worker(chancy):
        references = [await chancy.push(past), *(await chancy.push_many([past] * 3))]
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.state for job in jobs} == {State.SUCCEEDED}


def test_a_naive_moment_is_refused():
    """A datetime without a zone means no moment, and says so where the job is made."""
    with pytest.raises(InvalidJob, match="without a time zone"):
        ECHO.with_scheduled_at(datetime(2030, 1, 1))  # noqa: DTZ001


async def test_future_jobs_do_not_stand_in_the_way(chancy, dsn, schema):
    """However many more urgent jobs are scheduled for later, a claim touches none of them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO {schema}.jobs (id, queue, func, priority, state, scheduled_at) SELECT gen_random_uuid(), "
            "'default', 'jobs.noop', -100, 'scheduled', now() + interval '1 day' FROM generate_series(1, 50000)"
        )
        async with Worker(chancy):
            job = await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        ((touched,),) = connection.execute(
            f"SELECT count(*) FROM {schema}.jobs WHERE attempts > 0 OR state <> 'scheduled'"
        ).fetchall()
    assert job.state == State.SUCCEEDED
    assert touched == 0


async def test_many_due_at_once_all_run(chancy):
    """More jobs than one promotion takes, due at the same moment, all run once."""
    moment = in_s(0.5)
    references = await chancy.push_many(ECHO.with_scheduled_at(moment) for _ in range(2500))
    async with Worker(chancy):
        jobs = await chancy.wait_for_jobs(references, timeout=60)
    assert {(job.state, job.attempts) for job in jobs} == {(State.SUCCEEDED, 1)}
    assert min(job.started_at for job in jobs) >= moment


@pytest.mark.parametrize("hours", [-5, 5])
async def test_the_clock_is_the_databases(chancy, monkeypatch, hours):
    """An application whose own clock is hours off schedules for the same moment, and its job runs then."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr(notices, "datetime", Wrong)
    async with Worker(chancy):
        moment = in_s(2)
        one = await chancy.push(ECHO.with_scheduled_at(moment))
        many = await chancy.push_many([ECHO.with_scheduled_at(moment)])
        assert [(await reference.get()).state for reference in (one, *many)] == [State.SCHEDULED] * 2
        finished = await chancy.wait_for_jobs([one, *many], timeout=WITHIN_S)
    assert all(job.started_at >= moment for job in finished)


async def test_one_that_is_due_sooner_is_not_held_up_by_one_that_is_due_later(chancy, no_beats):
    """A worker that sleeps until a later job is due wakes for one that is pushed meanwhile and due before."""
    async with Worker(chancy, lease_s=LONG_S):
        later = await chancy.push(ECHO.with_scheduled_at(in_s(3600)))
        sooner = await chancy.push(ECHO.with_scheduled_at(in_s(0.3)))
        job = await sooner.wait(timeout=WITHIN_S)
        assert (await later.get()).state == State.SCHEDULED
    assert job.started_at >= job.scheduled_at


async def test_due_jobs_run_by_priority(chancy):
    """Of jobs whose time came while nobody worked, the most urgent runs first, whenever each was due."""
    jobs.ran.clear()
    references = await chancy.push_many(
        Job(func="jobs.record", kwargs={"value": n}, priority=n, scheduled_at=in_s(n - 60)) for n in (2, 0, 3, 1)
    )
    assert {(await reference.get()).state for reference in references} == {State.SCHEDULED}
    async with Worker(chancy, concurrency=1):
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert jobs.ran == [0, 1, 2, 3]


async def test_a_unique_job_can_be_scheduled(chancy):
    """A scheduled job holds its key until its time has come and it has run."""
    keyed = ECHO.with_unique_key("k")
    async with Worker(chancy):
        first = await chancy.push(keyed.with_scheduled_at(in_s(0.3)))
        assert not (await chancy.push(keyed)).created
        assert (await first.wait(timeout=WITHIN_S)).state == State.SUCCEEDED
        assert (await chancy.push(keyed)).created


async def test_a_scheduled_job_that_fails_waits_out_its_backoff_from_then(chancy):
    """A retry counts its backoff from the failure, not from the moment for which the job was scheduled."""
    moment = in_s(-3600)
    job = Job(func="jobs.fail", scheduled_at=moment, max_attempts=2, backoff=Backoff(base_s=0.4, jitter=0))
    async with Worker(chancy):
        failed = await (await chancy.push(job)).wait(timeout=WITHIN_S)
    assert failed.attempts == 2
    assert (failed.completed_at - failed.created_at).total_seconds() >= 0.4


@pytest.mark.parametrize("setting", ["DateStyle=SQL,DMY", "TimeZone=Asia/Kolkata", "IntervalStyle=sql_standard"])
async def test_how_a_database_shows_times_does_not_matter(dsn, schema, setting):
    """Whatever its sessions show by default, jobs are pushed, scheduled, run and read back, sync and async."""
    odd = make_conninfo(dsn, options=f"-c {setting}")
    moment = in_s(0.3)
    async with Chancy(odd, schema=schema, discover=False) as chancy, Worker(chancy):
        references = [await chancy.push(ECHO), *(await chancy.push_many([ECHO.with_scheduled_at(moment)]))]
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    assert jobs[1].scheduled_at == moment
    with Chancy(odd, schema=schema, discover=False) as chancy:
        assert chancy.sync_get_job(references[1]).scheduled_at == moment
