"""The clock of a drain: what is due, what expires, what is paused."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import drained_jobs
import pytest
from drained_jobs import RAN

from chancy import Queue
from chancy.errors import InvalidJob


def test_retries_and_schedules_had_to_be_waited_for(application, jobs):
    """`until` moves the clock from one moment at which something is due to the next one."""
    now = datetime.now(UTC)
    application.sync_push(drained_jobs.add.job.with_kwargs(a=2, b=0).with_scheduled_at(now + timedelta(days=2)))
    application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=0).with_scheduled_at(now + timedelta(days=1)))
    application.sync_push(drained_jobs.add.job.with_kwargs(a=9, b=0).with_scheduled_at(now + timedelta(days=9)))
    snoozed = application.sync_push(drained_jobs.snoozes)
    assert jobs.drain().retried == 1
    assert jobs.drain(until=now + timedelta(days=3)).succeeded == 3
    assert RAN == ["snoozes", "snoozes", (1, 0), (2, 0)]
    assert timedelta(hours=1) <= snoozed.sync_get().started_at - now < timedelta(days=1)
    assert application.sync_count_jobs() == {"default": {"scheduled": 1}}


def test_a_retry_was_due_because_the_transaction_had_begun_long_before(application, jobs):
    """Without `until` it is the clock on the wall that says what is due, and not when the transaction began."""
    due = application.sync_push(
        drained_jobs.add.job.with_kwargs(a=1, b=1).with_scheduled_at(datetime.now(UTC) + timedelta(milliseconds=50))
    )
    while datetime.now(UTC) < due.sync_get().scheduled_at:
        time.sleep(0.01)
    assert jobs.drain().succeeded == 1
    application.sync_push(drained_jobs.third_time_lucky)
    assert jobs.drain(raise_=False).retried == 1


def test_what_expires_and_what_is_paused_was_out_of_time(application, jobs):
    """The clock cancels what expires, and resumes a queue that was paused until then."""
    now = datetime.now(UTC)
    application.sync_declare(Queue("paused"))
    application.sync_push("paused", drained_jobs.add.job.with_kwargs(a=1, b=1))
    short = application.sync_push(
        "paused", drained_jobs.add.job.with_kwargs(a=2, b=2).with_expires_at(now + timedelta(minutes=1))
    )
    application.sync_pause_queue("paused", resume_at=now + timedelta(hours=1))
    assert len(jobs.drain()) == 0
    assert jobs.drain(until=now + timedelta(hours=2)).succeeded == 1
    assert (RAN, short.sync_get().state) == ([(1, 1)], "cancelled")


@pytest.mark.parametrize("until", [datetime(2030, 1, 1), "2h", 3600], ids=str)  # noqa: DTZ001 -- that is what is wrong
def test_a_moment_without_a_time_zone_was_taken_for_one(jobs, until):
    """It says what to give."""
    with pytest.raises(InvalidJob, match="until is"):
        jobs.drain(until=until)
