"""Limits hold in a drain of `chancy.testing`, whose clock goes on to when they let more through."""

from __future__ import annotations

from datetime import timedelta

from chancy import Job, Queue
from chancy.testing import Jobs

JOB = Job(func="builtins.dict")


def test_a_drain_took_no_notice_of_limits(new_chancy):
    """Two a minute are two now, and all of them within ten minutes; one at a time are all of them."""
    with new_chancy() as chancy:
        chancy.sync_declare(Queue("slow", rate_limit=2, rate_limit_window=60))
        chancy.sync_declare(Queue("alone", global_concurrency=1))
        with Jobs(chancy) as jobs:
            chancy.sync_push_many("slow", [JOB] * 5)
            assert jobs.drain("slow").succeeded == 2
            drained = jobs.drain("slow", until=timedelta(minutes=10))
            assert drained.succeeded == 3
            assert timedelta(0) < drained.now - drained.outcomes[0].job.started_at <= timedelta(minutes=10)
            chancy.sync_push_many("alone", [JOB] * 3)
            assert jobs.drain().succeeded == 3
