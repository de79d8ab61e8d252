"""What signals do to a worker's process."""

from __future__ import annotations

import asyncio
import signal

import hard_jobs
import pytest
from support import WITHIN_S, until
from working import started, state_of, workers

from chancy_core.values.job import Job
from chancy_core.values.queuedjob import State
from chancy_core.worker import Stopped

pytestmark = pytest.mark.usefixtures("_fresh")


SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("func", [hard_jobs.until_exists, hard_jobs.until_exists_sync])
async def test_a_signal_lets_the_process_drain(chancy, new_child, tmp_path, number, func):
    """SIGTERM or Ctrl-C once: running jobs end, others stay pending, and the exit code says drained."""
    child = new_child(worker={"concurrency": 1, "grace_s": 2 * WITHIN_S})
    child.ready()
    door = tmp_path / "door"
    running = await chancy.push(Job.from_func(func, kwargs={"path": str(door)}))
    await started(running)
    waiting = await chancy.push(Job.from_func(hard_jobs.pid))
    child.send(number)
    await until(lambda: "worker_stopping" in child.said())
    door.touch()
    assert await asyncio.to_thread(child.wait) == Stopped.DRAINED
    assert (await running.get()).result == child.process.pid
    assert await state_of(waiting) is State.PENDING


@pytest.mark.parametrize("func", [hard_jobs.until_exists, hard_jobs.until_exists_sync])
@pytest.mark.parametrize(
    ("numbers", "grace_s", "how"),
    [
        ([signal.SIGTERM], 0.2, Stopped.HANDED_BACK),
        ([signal.SIGINT], 0.2, Stopped.HANDED_BACK),
        ([signal.SIGTERM, signal.SIGTERM], 60, Stopped.AT_ONCE),
        ([signal.SIGINT, signal.SIGINT], 60, Stopped.AT_ONCE),
        ([signal.SIGINT, signal.SIGTERM], 60, Stopped.AT_ONCE),
    ],
)
async def test_signals_hand_jobs_back(chancy, new_child, tmp_path, func, numbers, grace_s, how):
    """After the grace time, or at a second signal, jobs are handed back unspent and the exit code tells which."""
    child = new_child(worker={"grace_s": grace_s})
    child.ready()
    reference = await chancy.push(Job.from_func(func, kwargs={"path": str(tmp_path / "never")}))
    await started(reference)
    for number in numbers:
        child.send(number)
        await until(lambda: "worker_stopping" in child.said())
    # A job in a thread cannot be stopped; the process ends all the same.
    assert await asyncio.to_thread(child.wait) == how
    job = await reference.get()
    assert (job.state, job.attempts, job.claims, job.worker) == ("pending", 0, 1, None)
    assert await workers(chancy) == []
