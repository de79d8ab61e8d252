"""What cannot be meant is refused: it found nothing, and so did nothing, or held."""

from __future__ import annotations

from datetime import datetime
from unittest import mock

import drained_jobs
import pytest

from chancy import Queue
from chancy.errors import ChancyError, InvalidJob, InvalidQueue, UnknownQueue
from chancy.testing import AsyncJobs

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 -- that is the slip


def test_a_drain_of_a_queue_that_nobody_knows_ran_nothing_without_a_word(application, jobs):
    """A slip in its name, and a Queue instead of it."""
    application.sync_declare(Queue("mail"))
    with pytest.raises(UnknownQueue, match="Did you mean 'mail'"):
        jobs.drain("mial")
    with pytest.raises(InvalidQueue, match="give its name, 'mail'"):
        jobs.drain(Queue("mail"))
    assert len(jobs.drain("mail")) == len(jobs.drain("default")) == 0


@pytest.mark.parametrize("count", [0, -1, True, "2"])
def test_an_assertion_of_no_job_at_all_could_not_hold(jobs, count):
    """There is another one for that."""
    with pytest.raises(InvalidJob, match="refute_pushed"):
        jobs.assert_pushed(drained_jobs.add, count=count)


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("state", "succeded", "pending, .* Did you mean 'succeeded'"),
        ("queue", Queue("mail"), "its name, 'mail'"),
        ("priority", "5", "a number"),
        ("max_attempts", "5", "a number"),
        ("scheduled_at", NAIVE, "with a time zone"),
        ("expires_at", "2030-01-01", "with a time zone"),
    ],
)
def test_a_refutation_held_of_what_no_job_ever_is(jobs, field, value, hint):
    """Nothing was found, whatever had been pushed."""
    with pytest.raises(InvalidJob, match=hint):
        jobs.refute_pushed(**{field: value})


def test_a_value_that_compares_itself_is_taken(application, jobs):
    """It knows what it is equal to."""
    application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=2))
    jobs.assert_pushed(state=mock.ANY, priority=mock.ANY, scheduled_at=mock.ANY, count=1)


async def test_slips_are_refused_with_asyncio(new_chancy):
    """As without."""
    async with new_chancy() as chancy, AsyncJobs(chancy) as jobs:
        with pytest.raises(UnknownQueue):
            await jobs.drain("mial")
        with pytest.raises(InvalidJob, match="refute_pushed"):
            await jobs.assert_pushed(count=0)


def test_what_a_drain_of_too_many_had_run_looked_as_if_it_still_ran(application, jobs):
    """It is recorded before that is told."""
    application.sync_push_many([drained_jobs.add.job.with_kwargs(a=n, b=0) for n in range(5)])
    with pytest.raises(ChancyError, match="drain has run 3 jobs, and there are more"):
        jobs.drain(at_most=3)
    assert len(drained_jobs.RAN) == len(jobs.pushed(state="succeeded")) == 3
