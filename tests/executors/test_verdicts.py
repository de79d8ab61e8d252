"""A job may say how its run ended, and its policy says when it is tried again."""

from __future__ import annotations

import pickle
from datetime import timedelta

import pytest
import told_jobs
from support import WITHIN_S

from chancy import Backoff, Cancel, Job, Retry, Snooze, Worker
from chancy_core.errors import InvalidJob

QUICK = Backoff.fixed(0.001)


async def run(chancy, func, **fields):
    async with Worker(chancy):
        return await (await chancy.push(Job(func=f"told_jobs.{func}", **fields))).wait(timeout=WITHIN_S)


async def test_a_snoozed_job_comes_back_and_spends_no_attempt(chancy):
    """With a single attempt it runs twice, and no error is kept."""
    job = await run(chancy, "snoozes_once", kwargs={"key": "a", "seconds": 0.3})
    assert (job.state, job.result, job.attempts, job.claims, job.errors) == ("succeeded", "after all", 1, 2, [])
    assert (job.completed_at - job.created_at).total_seconds() >= 0.3


async def test_a_snooze_says_why_while_it_waits(chancy):
    """The job waits with the reason as its note."""
    async with Worker(chancy):
        reference = await chancy.push(
            Job(func="told_jobs.snoozes_once", kwargs={"key": "b", "seconds": 3600}, backoff=QUICK)
        )
        async for job in _looks(reference):
            if job.state == "retrying":
                break
        assert (job.note, job.attempts) == ("not yet", 0)
        await reference.cancel()


async def _looks(reference):
    while True:
        yield await reference.get()


async def test_retry_after_waits_so_long_and_spends_the_attempt(chancy):
    """Its delay goes before the backoff; out of attempts, the job has failed with its reason."""
    job = await run(chancy, "retries", kwargs={"after": 0.3}, max_attempts=2, backoff=Backoff.fixed(3600))
    assert (job.state, job.attempts, [error.type for error in job.errors]) == ("failed", 2, ["Retry", "Retry"])
    assert job.errors[0].message == "come back"
    assert (job.completed_at - job.created_at).total_seconds() >= 0.3


async def test_retry_without_a_time_waits_as_the_backoff_says(chancy):
    """And is tried again whatever `retry_on` says: the job asked for it."""
    job = await run(chancy, "retries", kwargs={"after": None}, max_attempts=2, backoff=QUICK, retry_on=(KeyError,))
    assert (job.state, job.attempts) == ("failed", 2)


async def test_cancel_ends_the_job_without_a_retry(chancy):
    """It is cancelled, with the reason as its note and no error."""
    job = await run(chancy, "cancels", max_attempts=5)
    assert (job.state, job.note, job.attempts, job.errors) == ("cancelled", "of no use", 1, [])


@pytest.mark.parametrize("value", [-1, float("nan"), "soon", True, timedelta(days=400)])
def test_wrong_delays_are_refused(value):
    """What is no number of seconds, or more than a year."""
    with pytest.raises(InvalidJob, match="give seconds from 0 to 31,536,000"):
        Snooze(value)
    with pytest.raises(InvalidJob, match="give seconds from 0 to 31,536,000"):
        Retry(after=value)
    assert Snooze(timedelta(minutes=1)).delay_s == 60


@pytest.mark.parametrize(
    ("raised", "policy", "attempts"),
    [
        ("Ours", {"retry_on": (told_jobs.Ours,)}, 3),
        ("Special", {"retry_on": (told_jobs.Ours,)}, 3),
        ("Special", {"retry_on": ("told_jobs.Special",)}, 3),
        ("Special", {"retry_on": ["Special"]}, 3),
        ("Ours", {"retry_on": (told_jobs.Special,)}, 1),
        ("KeyError", {"retry_on": (told_jobs.Ours, LookupError)}, 3),
        ("KeyError", {"give_up_on": (LookupError,)}, 1),
        ("TimeoutError", {"give_up_on": (LookupError,)}, 3),
        ("Special", {"retry_on": (told_jobs.Ours,), "give_up_on": (told_jobs.Special,)}, 1),
        ("Ours", {"retry_on": (told_jobs.Ours,), "give_up_on": (told_jobs.Special,)}, 3),
    ],
)
async def test_the_policy_goes_by_the_kind_of_exception(chancy, raised, policy, attempts):
    """By class or by name, subclasses included; giving up goes before retrying."""
    job = await run(chancy, "raises", kwargs={"name": raised}, max_attempts=3, backoff=QUICK, **policy)
    assert (job.state, job.attempts) == ("failed", attempts)
    if attempts == 1:
        assert job.note == f"Not retried: the job gives up on {raised}."


@pytest.mark.parametrize("value", [(1,), ("no name",), (int,), "a b", "", 0, ("a..b",)])
def test_a_policy_of_anything_else_is_refused(value):
    """Classes that are no exceptions, and what is no name."""
    with pytest.raises(InvalidJob, match="give exception classes, or their names"):
        Job(func="a.b", retry_on=value)
    with pytest.raises(InvalidJob, match="give_up_on has"):
        Job(func="a.b").with_give_up_on(*value if isinstance(value, tuple) else (value,))


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (Backoff.fixed(5, jitter=0), [5, 5, 5, 5]),
        (Backoff.linear(5, 10, max_s=30, jitter=0), [5, 15, 25, 30]),
        (Backoff.exponential(2, 3, max_s=50, jitter=0), [2, 6, 18, 50]),
        (Backoff.linear(0, 10, jitter=0), [0, 10, 20, 30]),
    ],
)
def test_backoffs(backoff, delays):
    """Fixed, linear and exponential, with a cap."""
    assert [backoff.delay_s(n) for n in range(1, 5)] == delays


def test_a_policy_travels_with_the_job():
    """The `with_` methods set it on a copy."""
    job = Job(func="a.b").with_retry_on(KeyError, "app.Error").with_give_up_on(ValueError)
    assert (job.retry_on, job.give_up_on) == (("KeyError", "app.Error"), ("ValueError",))
    assert job.retries(KeyError("x"))
    assert not job.retries(ValueError("x"))
    assert pickle.loads(pickle.dumps(job)) == job


def test_a_policy_may_name_what_is_defined_inside_a_function():
    """Such a class has an odd name, which a copy of the job takes as well."""

    class LocalError(ValueError):
        pass

    job = Job(func="a.b", retry_on=LocalError, give_up_on=None).with_queue("other")
    assert job.retries(LocalError())
    assert not job.retries(ValueError())
    assert job.give_up_on == ()
    assert pickle.loads(pickle.dumps(job)) == job


@pytest.mark.parametrize(
    "killed_for",
    [Snooze(5), Snooze(5, "not yet"), Retry("again", after=5), Retry(after=5), Retry("again"), Cancel("why"), Cancel()],
)
def test_a_verdict_may_come_from_another_process(killed_for):
    """It is pickled there and raised here, with all that it says."""
    other = pickle.loads(pickle.dumps(killed_for))
    assert (type(other), str(other)) == (type(killed_for), str(killed_for))
    assert getattr(other, "delay_s", None) == getattr(killed_for, "delay_s", None)


def test_a_snooze_without_a_reason_says_how_long():
    """In seconds, however it was given."""
    assert str(Snooze(timedelta(minutes=1))) == str(Snooze(60)) == "Snoozed for 60 s."


def test_seconds_in_place_of_a_reason_are_refused():
    """`Retry(30)` would wait as the backoff says, and call that reason 30."""
    with pytest.raises(InvalidJob, match=r"Retry\(after=30\)"):
        Retry(30)
