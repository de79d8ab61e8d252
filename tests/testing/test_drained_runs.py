"""What a drain runs, and what it tells of that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import drained_jobs
import pytest
from drained_jobs import RAN

from chancy import Job, Queue
from chancy.errors import CannotRunHere, ChancyError, WaitTimeout
from chancy.testing import Jobs


def test_what_a_job_raised_was_lost(application, jobs):
    """The exception itself is raised, and says whose it is; with others, if there are any."""
    pushed = application.sync_push(drained_jobs.raises)
    application.sync_push(drained_jobs.raises.job.with_kwargs(text="neither"))
    with pytest.raises(LookupError, match="of no use") as caught:
        jobs.drain()
    first, second = caught.value.__notes__
    assert f"drained_jobs.raises ({pushed}), in attempt 1 of 1" in first
    assert "LookupError: neither" in second
    assert jobs.drain().outcomes == ()
    application.sync_push(drained_jobs.raises)
    assert jobs.drain(raise_=False).failed == 1


def test_a_failure_that_would_be_tried_again_was_not_noticed(application, jobs):
    """It is raised too, unless the drain comes to the retry that succeeds."""
    application.sync_push(drained_jobs.third_time_lucky)
    with pytest.raises(ValueError, match="attempt 1") as caught:
        jobs.drain()
    assert "drain(until=…)" in caught.value.__notes__[0]
    assert jobs.drain(until=timedelta(hours=1)).succeeded == 1


def test_a_function_that_does_not_import_was_drained_for_ever(application, jobs):
    """A worker leaves it to others; a test has no others."""
    lost = application.sync_push(Job(func="drained_jobs.nowhere"))
    with pytest.raises(CannotRunHere, match="has no 'nowhere'"):
        jobs.drain()
    assert lost.sync_get().state == "pending"
    assert jobs.drain(raise_=False).outcomes[0].unrunnable


def test_only_that_queue_or_only_what_was_there(application, jobs):
    """`queue` leaves other queues alone, and `recursive=False` what jobs push."""
    application.sync_declare(Queue("mail"))
    application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1))
    application.sync_push("mail", drained_jobs.count_down.job.with_kwargs(n=2))
    assert jobs.drain("mail", recursive=False).succeeded == 1
    assert RAN == [2]
    assert application.sync_count_jobs() == {"default": {"pending": 2}}


def test_a_job_that_pushes_itself_was_drained_for_ever(application, jobs):
    """It ends, and names the job."""
    application.sync_push(drained_jobs.pushes_itself)
    with pytest.raises(ChancyError, match=r"run 25 jobs, and there are more, such as drained_jobs\.pushes_itself"):
        jobs.drain(at_most=25)


def test_ctrl_c_was_recorded_as_the_failure_of_a_job(application, jobs):
    """Whoever ends the tests means all of them."""
    application.sync_push(drained_jobs.interrupted)
    with pytest.raises(KeyboardInterrupt):
        jobs.drain(raise_=False)


def test_a_result_was_what_no_worker_would_have_stored(application, jobs):
    """It goes through JSON; what JSON does not have is left out, as in a worker."""
    pair, lost = application.sync_push_many([drained_jobs.returns_a_tuple, drained_jobs.returns_no_json])
    jobs.drain()
    assert pair.sync_get().result == [1, 2]
    assert "The result was not kept" in lost.sync_get().note


def test_a_drain_in_an_event_loop_blocked_it(application):
    """It says what to do instead."""

    async def test():
        with Jobs(application) as jobs:
            application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1))
            with pytest.raises(ChancyError, match="use AsyncJobs"):
                jobs.drain()
            assert (await asyncio.to_thread(jobs.drain)).succeeded == 1

    asyncio.run(test())


def test_waiting_for_a_job_waited_for_ever(application, jobs):
    """Whoever waits has it run; what cannot be run by then is told, and does not hang."""
    assert application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=1)).sync_wait().result == 2
    later = drained_jobs.snoozes.job.with_scheduled_at(datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(WaitTimeout, match="is scheduled"):
        application.sync_push(later).sync_wait()
    with pytest.raises(WaitTimeout, match="is scheduled"):
        asyncio.run(application.wait_for_job(application.sync_push(later)))
