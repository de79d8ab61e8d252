"""Cancelling: at once where a job does not run, as soon as it can be where it does, and never a lie about which."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import told_jobs
from click.testing import CliRunner
from support import WITHIN_S, until

from chancy import Backoff, Cancellation, Chancy, Job, Limit, Queue, Worker
from chancy_core.cli.group import chancy as command
from chancy_core.errors import InvalidJob, JobNotFound
from chancy_core.executors import running as running_module
from chancy_core.worker import cancel

LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _fresh():
    told_jobs.go_on.clear()
    told_jobs.seen.clear()
    yield
    told_jobs.go_on.set()


async def running(reference):
    async def runs():
        return (await reference.get()).state == "running"

    await until(runs)


@pytest.mark.parametrize(
    "fields", [{}, {"scheduled_at": LATER}, {"unique_key": "k"}], ids=["pending", "scheduled", "unique"]
)
async def test_what_does_not_run_is_cancelled_at_once(chancy, fields):
    """The job is finished when the call returns, with the reason as its note, and its unique key is free again."""
    reference = await chancy.push(Job(func="jobs.noop", **fields))
    assert await reference.cancel(reason="no need") is Cancellation.CANCELLED
    job = await reference.get()
    assert (job.state, job.note, job.attempts) == ("cancelled", "no need", 0)
    assert (await chancy.push(Job(func="jobs.noop", **fields))).created
    assert await reference.cancel() is Cancellation.FINISHED


async def test_a_job_that_waits_for_its_retry_is_cancelled_at_once(chancy):
    """Its errors so far are kept."""
    async with Worker(chancy):
        reference = await chancy.push(Job(func="jobs.fail", max_attempts=2, backoff=Backoff.fixed(3600)))

        async def waits():
            return (await reference.get()).state == "retrying"

        await until(waits)
        assert await reference.cancel() is Cancellation.CANCELLED
    job = await reference.get()
    assert (job.state, len(job.errors), job.note) == ("cancelled", 1, "Cancelled on request.")


@pytest.mark.parametrize("notifications", [True, False])
async def test_a_running_coroutine_is_cancelled(new_chancy, notifications):
    """Its `finally` runs, it ends cancelled with the reason, and another worker's jobs go on."""
    async with (
        new_chancy(notifications=notifications) as chancy,
        new_chancy(notifications=notifications) as other,
        Worker(chancy),
    ):
        await chancy.declare(Queue("quick", polling_interval=0.1))
        reference = await chancy.push("quick", Job(func="told_jobs.sleeps", max_attempts=3))
        neighbour = await chancy.push("quick", Job(func="jobs.sleep", kwargs={"seconds": 0.5}))
        await running(reference)
        assert await other.cancel_job(str(reference), reason="enough") is Cancellation.STOPPING
        job = await reference.wait(timeout=WITHIN_S)
        assert (job.state, job.note, job.attempts) == ("cancelled", "enough", 1)
        assert told_jobs.seen == ["left"]
        assert (await neighbour.wait(timeout=WITHIN_S)).state == "succeeded"


async def test_a_coroutine_that_swallows_its_cancellation_is_cancelled_again(chancy, monkeypatch):
    """It does not take a second request to end it."""
    monkeypatch.setattr(cancel, "AGAIN_S", 0.2)
    async with Worker(chancy):
        reference = await chancy.push(Job(func="told_jobs.cancelled_twice"))
        await running(reference)
        assert await reference.cancel() is Cancellation.STOPPING
        assert (await reference.wait(timeout=WITHIN_S)).state == "cancelled"
    assert told_jobs.seen == ["swallowed"]


async def test_a_thread_stops_at_its_checkpoint(chancy):
    """What a checkpoint raises passes through `except Exception`."""
    async with Worker(chancy):
        reference = await chancy.push(Job(func="told_jobs.until_stopped", max_attempts=3))
        await running(reference)
        await reference.cancel()
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.attempts) == ("cancelled", 1)
    assert told_jobs.seen == ["Cancelled while it ran."]


@pytest.mark.parametrize(("func", "state"), [("heeds_nothing", "succeeded"), ("fails_late", "cancelled")])
async def test_a_thread_without_checkpoints_runs_on_and_its_state_says_so(chancy, func, state):
    """It is running, with the request visible, until it ends by itself: it then has succeeded, or is not retried."""
    async with Worker(chancy):
        reference = await chancy.push(Job(func=f"told_jobs.{func}", max_attempts=3, backoff=Backoff.fixed(0)))
        await running(reference)
        assert await reference.cancel() is Cancellation.STOPPING
        await asyncio.sleep(0.1)
        job = await reference.get()
        assert (job.state, job.cancel_requested) == ("running", True)
        told_jobs.go_on.set()
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.attempts) == (state, 1)


async def test_a_job_given_back_is_given_up_if_it_was_to_be_cancelled(chancy):
    """A request that the worker never heard of counts when it stops and hands the job back."""
    worker = Worker(chancy, grace_s=0)
    await worker.start()
    reference = await chancy.push(Job(func="told_jobs.sleeps", max_attempts=3))
    await running(reference)
    worker._parts.canceller.ring = lambda: None  # type: ignore[method-assign]
    await reference.cancel(reason="unheard")
    await worker.stop()
    async with Worker(chancy):
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.note) == ("cancelled", "unheard")
    assert len(told_jobs.seen) == 1


async def test_a_lost_workers_job_is_not_run_again_if_it_was_to_be_cancelled(chancy, query):
    """Rescue gives it up instead of handing it to the next worker."""
    reference = await chancy.push(Job(func="jobs.noop", max_attempts=5))
    query("UPDATE {s}.jobs SET state = 'running', worker = 'lost', attempts = 1, claims = 1")
    assert await reference.cancel(reason="gone anyway") is Cancellation.STOPPING
    async with Worker(chancy, lease_s=2):
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.note, job.attempts) == ("cancelled", "gone anyway", 1)


async def test_many_are_cancelled_in_one_call(chancy):
    """Each job's own answer, in order; None for one that does not exist."""
    done = await chancy.push(Job(func="jobs.noop"))
    async with Worker(chancy):
        await done.wait(timeout=WITHIN_S)
    waits = await chancy.push(Job(func="jobs.noop"))
    answers = await chancy.cancel_jobs([uuid.uuid4(), waits, done])
    assert answers == [None, "cancelled", "finished"]
    assert (await done.get()).state == "succeeded"


async def test_wrong_cancellations_are_told(chancy):
    """A job that does not exist, and a reason that is none."""
    with pytest.raises(JobNotFound, match="There is no job"):
        await chancy.cancel_job(uuid.uuid4())
    with pytest.raises(InvalidJob, match="not the id of a job"):
        await chancy.cancel_job("nonsense")
    reference = await chancy.push(Job(func="jobs.noop"))
    for reason in ("", 7, "a\x00", "\ud800"):
        with pytest.raises(InvalidJob, match=r"^reason "):
            await reference.cancel(reason=reason)
    assert (await reference.get()).state == "pending"


def test_without_asyncio(dsn, schema):
    """`sync_cancel` and `sync_retry_jobs` do the same."""
    with Chancy(dsn, schema=schema, discover=False) as chancy:
        reference = chancy.sync_push(Job(func="jobs.noop"))
        assert reference.sync_cancel(reason="r") is Cancellation.CANCELLED
        assert chancy.sync_cancel_jobs([reference]) == ["finished"]
        assert chancy.sync_retry_jobs([reference, reference]) == [reference]
        assert reference.sync_get().state == "pending"


def test_from_a_terminal(dsn, schema):
    """`chancy job ID --cancel` and `--retry` say what came of it."""
    with Chancy(dsn, schema=schema, discover=False) as chancy:
        reference = str(chancy.sync_push(Job(func="jobs.noop")))
    environment = {"CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema}

    def chancy_job(*arguments):
        return CliRunner().invoke(command, ["job", *arguments], env=environment)

    assert chancy_job(reference, "--cancel", "--reason", "typed").output == f"{reference}: cancelled\n"
    assert '"note": "typed"' in chancy_job(reference, "--json").output
    assert chancy_job(reference, "--cancel").output == f"{reference}: finished already\n"
    assert chancy_job(reference, "--retry").output == f"{reference}: runs again\n"
    assert '"state": "pending"' in chancy_job(reference, "--json").output
    refused = chancy_job(reference, "--retry")
    assert refused.exit_code == 1
    assert "was not brought back" in refused.output
    assert "not --cancel" in chancy_job(reference, "--reason", "r").output


# -- retry_jobs --------------------------------------------------------------------------------


async def test_finished_jobs_come_back_with_their_history(chancy):
    """A failed one runs again with all its attempts, keeps its errors, and is the same job."""
    async with Worker(chancy):
        job = Job(func="jobs.fail", max_attempts=2, backoff=Backoff.fixed(0))
        reference = await chancy.push(job)
        first = await reference.wait(timeout=WITHIN_S)
        assert await chancy.retry_jobs([reference]) == [reference]
        second = await reference.wait(timeout=WITHIN_S)
    assert (first.attempts, first.claims, len(first.errors)) == (2, 2, 2)
    assert (second.attempts, second.claims, len(second.errors)) == (2, 5, 4)
    assert second.created_at == first.created_at


async def test_only_finished_jobs_with_a_free_key_come_back(chancy):
    """One that lives, one that is nowhere, and one whose unique key another holds are left as they are."""
    old = await chancy.push(Job(func="jobs.noop", unique_key="k"))
    async with Worker(chancy):
        await old.wait(timeout=WITHIN_S)
    holder = await chancy.push(Job(func="jobs.noop", unique_key="k", scheduled_at=LATER))
    assert await chancy.retry_jobs([old, holder, uuid.uuid4()]) == []
    assert (await old.get()).state == "succeeded"
    await holder.cancel()
    assert await chancy.retry_jobs([old]) == [old]


async def test_a_scheduled_job_that_comes_back_still_waits_for_its_time(chancy):
    """Cancelled before its time, it is not started before it either; a worker starts it when that has come."""
    later = await chancy.push(Job(func="jobs.noop", scheduled_at=LATER))
    soon = await chancy.push(Job(func="jobs.noop", scheduled_at=datetime.now(UTC) + timedelta(seconds=1)))
    await chancy.cancel_jobs([later, soon])
    assert await chancy.retry_jobs([later, soon]) == [later, soon]
    async with Worker(chancy):
        job = await soon.wait(timeout=WITHIN_S)
        assert job.started_at >= job.scheduled_at
        assert (await later.get()).state == "scheduled"


# -- expiry ------------------------------------------------------------------------------------


async def test_what_expired_is_cancelled_instead_of_run(chancy):
    """A job whose time to start is over never runs, and says why; one that is in time does."""
    now = datetime.now(UTC)
    await chancy.declare(Queue("idle", state=Queue.State.PAUSED))
    over = await chancy.push(Job(func="jobs.noop", expires_at=now - timedelta(seconds=1)))
    over_in_bulk = (await chancy.push_many([Job(func="jobs.noop", expires_at=now - timedelta(seconds=1))]))[0]
    soon = await chancy.push("idle", Job(func="jobs.noop", expires_at=now + timedelta(seconds=0.5)))
    scheduled = await chancy.push(Job(func="jobs.noop", expires_at=now + timedelta(seconds=0.5), scheduled_at=LATER))
    good = await chancy.push(Job(func="jobs.noop", expires_at=LATER))
    async with Worker(chancy):
        for reference in (over, over_in_bulk, soon, scheduled):
            job = await reference.wait(timeout=WITHIN_S)
            assert (job.state, job.attempts) == ("cancelled", 0)
            assert job.note == "It was not started before it expired."
        job = await good.wait(timeout=WITHIN_S)
    assert (job.state, job.expires_at) == ("succeeded", LATER)


async def test_what_was_started_in_time_does_not_expire(chancy):
    """A retry after the expiry runs all the same."""
    async with Worker(chancy):
        await (await chancy.push(Job(func="jobs.noop"))).wait(timeout=WITHIN_S)
        # By now it starts what it is given at once.
        expires_at = datetime.now(UTC) + timedelta(seconds=5)
        job = Job(func="jobs.fail", max_attempts=2, backoff=Backoff.fixed(6, jitter=0), expires_at=expires_at)
        finished = await (await chancy.push(job)).wait(timeout=WITHIN_S)
    assert (finished.state, finished.attempts) == ("failed", 2)
    assert finished.started_at > expires_at


async def test_a_job_that_snoozes_beyond_its_expiry_is_cancelled(chancy):
    """It has spent no attempt; its note does not say that it was never started."""
    async with Worker(chancy):
        await (await chancy.push(Job(func="jobs.noop"))).wait(timeout=WITHIN_S)
        # By now it starts what it is given at once.
        expires_at = datetime.now(UTC) + timedelta(seconds=5)
        reference = await chancy.push(Job(func="told_jobs.snoozes_for_long", expires_at=expires_at))
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.attempts, job.claims) == ("cancelled", 0, 1)
    assert job.note == "It expired before it was started again."


async def test_an_expired_job_that_is_brought_back_has_no_expiry(chancy):
    """`retry_jobs` would make no sense of it otherwise."""
    reference = await chancy.push(Job(func="jobs.noop", expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    async with Worker(chancy):
        await reference.wait(timeout=WITHIN_S)
        assert await chancy.retry_jobs([reference]) == [reference]
        assert (await reference.wait(timeout=WITHIN_S)).state == "succeeded"


@pytest.mark.parametrize("value", ["tomorrow", datetime(2030, 1, 1)])  # noqa: DTZ001
def test_a_wrong_expiry_is_refused(value):
    """No datetime, or one without a zone."""
    with pytest.raises(InvalidJob, match="expires_at is"):
        Job(func="a.b", expires_at=value)


# -- time limits -------------------------------------------------------------------------------


async def test_a_coroutine_that_swallows_its_time_limit_has_failed(chancy, monkeypatch):
    """Over its limit is over its limit, whatever it returns; it is cancelled again and again until then."""
    monkeypatch.setattr(running_module, "CANCEL_AGAIN_S", 0.5)
    job = Job(func="told_jobs.swallows", kwargs={"times": 2}, limits=[Limit(Limit.Type.TIME, 0.2)])
    async with Worker(chancy):
        finished = await (await chancy.push(job)).wait(timeout=WITHIN_S)
    assert (finished.state, finished.errors[0].type, finished.result) == ("failed", "TimeLimitExceeded", None)
    assert "its time limit is 0.2 s" in finished.errors[0].message
    first_s, second_s = told_jobs.seen
    assert second_s - first_s >= 0.5


@pytest.mark.parametrize("func", ["until_stopped", "slow"])
async def test_a_thread_with_a_context_may_have_a_time_limit(chancy, func):
    """It is over at its next checkpoint, or has failed when it returns too late."""
    await chancy.declare(Queue("threads", executor=Chancy.Executor.Threaded))
    kwargs = {"seconds": 0.5} if func == "slow" else {}
    job = Job(func=f"told_jobs.{func}", kwargs=kwargs, limits=[Limit(Limit.Type.TIME, 0.2)])
    async with Worker(chancy):
        reference = await chancy.push("threads", job)
        if func == "until_stopped":
            # It swallows the error of its limit as an Exception, which is its right; but not its cancellation.
            await running(reference)
            await reference.cancel()
        finished = await reference.wait(timeout=WITHIN_S)
    if func == "slow":
        assert (finished.state, finished.errors[0].type) == ("failed", "TimeLimitExceeded")
    else:
        assert finished.state == "cancelled"
