"""Faults for the tests of others: a worker is killed, connections are lost."""

from __future__ import annotations

import drained_jobs
import pytest

from chancy import Job
from chancy.testing import WorkerProcess, lose_connections


async def test_nobody_shipped_the_faults_that_applications_have_to_survive(chancy, until):
    """A job whose worker is killed runs again on the next one; a worker whose connections are lost works on."""
    hangs = await chancy.push(Job(func="jobs.block", kwargs={"seconds": 600}).with_max_attempts(1))
    with WorkerProcess(chancy, CHANCY_WORKER_LEASE_S="1") as worker:
        await until(lambda: _runs(chancy, hangs))
        worker.kill()
        with WorkerProcess(chancy, CHANCY_WORKER_LEASE_S="1") as second:
            assert (await hangs.wait(timeout=60)).note
            assert lose_connections(chancy) > 0
            done = await chancy.push(drained_jobs.add.job.with_kwargs(a=1, b=2))
            assert (await done.wait(timeout=60)).result == 3
            assert second.stop() == 0
            assert second.events("worker_stopped")


async def _runs(chancy, reference):
    return (await chancy.get_job(reference)).state == "running"


def test_a_worker_that_cannot_start_was_waited_for(new_chancy):
    """It says what the worker said."""
    with (
        new_chancy() as chancy,
        pytest.raises(AssertionError, match=r"did not start: it ended with \d+"),
        WorkerProcess(chancy, "--nonsense"),
    ):
        pass
