"""The process executor: limits of time and memory."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter

import hostile_jobs
import pytest
from decided import end_of
from processing import MIB, holding, linux_only, lives, queued, result_of, within
from support import WITHIN_S, until

from chancy_core.values.queuedjob import QueuedJob, State


async def test_many_jobs_with_a_time_limit_of_which_a_third_hang(new_executor):
    """Of 500 jobs with a limit of 2 s a third hang: those fail, each at its own time, the others succeed."""
    executor = new_executor(grace_s=0.5)
    slots = asyncio.Semaphore(40)
    late: list[float] = []
    pids: Counter[int] = Counter()

    async def one(number: int) -> tuple[bool, str]:
        hangs = number % 3 == 0
        job = queued(hostile_jobs.hangs if hangs else hostile_jobs.pid, within(2))
        async with slots:
            outcome = await end_of(executor, job)
        if outcome.state == "succeeded":
            pids[int(outcome.result)] += 1
        else:
            late.append(outcome.run_s - 2.5)
        return hangs, outcome.error.type if outcome.error else outcome.state

    ends = Counter(await asyncio.gather(*map(one, range(500))))
    assert ends == {(True, "TimeLimitExceeded"): 167, (False, "succeeded"): 333}
    assert pids.most_common(1)[0][1] > 1
    # Never before their time; and later than that by what a busy machine takes, not by what others before them took:
    # one after the other, they would take 83 s to be killed.
    assert min(late) >= 0
    assert max(late) < 20


@pytest.mark.parametrize(
    ("func", "line"),
    [(hostile_jobs.hangs, "time.sleep(1)"), (hostile_jobs.ignores_cancellation, "await asyncio.sleep(3600)")],
)
async def test_a_job_that_was_killed_for_its_time_says_where_it_was(new_executor, func, line):
    """The traceback of the error shows the line at which it hung, of a coroutine function too."""
    outcome = await end_of(new_executor(grace_s=2), queued(func, within(2)))
    told = outcome.error.traceback
    assert f"in {func.__name__}\n    {line}" in told
    assert "chancy_core/" not in told


async def test_the_time_limit_counts_from_the_start_of_the_job_itself(new_executor, tmp_path, monkeypatch):
    """A module that takes longer to import than the limit does not use it up."""
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(3.0)\ndef quick():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    executor = new_executor()
    job = QueuedJob(
        func="slow_to_import.quick", limits=[within(2)], id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1
    )
    outcome = await end_of(executor, job)
    assert (outcome.state, outcome.run_s < 2) == ("succeeded", True)


async def test_a_module_that_never_ends_to_import_is_bounded(new_executor, tmp_path, monkeypatch):
    """A job whose module hangs is handed back after `start_within_s`: it was not begun, and no attempt is spent."""
    (tmp_path / "never_imported.py").write_text("import time\ntime.sleep(3600)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    executor = new_executor(start_within_s=1.0)
    job = QueuedJob(
        func="never_imported.f", limits=[within(0.5)], id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1
    )
    outcome = await end_of(executor, job)
    assert (outcome.state, outcome.attempt_spent, outcome.unrunnable) == ("pending", False, True)
    assert "had not started after 1 s" in outcome.note


async def test_a_limit_never_hits_the_next_job_of_the_child(new_executor):
    """Jobs that end just at their limit are killed or not, but never the ones that follow without a limit."""
    executor = new_executor(grace_s=0)
    for _ in range(30):
        await end_of(executor, queued(hostile_jobs.sleeps, within(0.02), seconds=0.02))
        assert await result_of(executor, hostile_jobs.sleeps, seconds=0.005) > 0


async def test_limits_hold_while_the_workers_loop_is_blocked(new_executor):
    """A child is killed at its limit although somebody blocks the loop."""
    executor = new_executor(grace_s=0)
    await result_of(executor, hostile_jobs.pid)
    running = asyncio.create_task(end_of(executor, queued(hostile_jobs.hangs, within(3))))
    watched = await until(lambda: [w for w in executor._children._guard._watches if w.kill_for.name == "TIME"])
    pid = watched[0].pid
    deadline = time.monotonic() + WITHIN_S
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.01)  # noqa: ASYNC251 -- that is what blocks it
    assert not lives(pid)
    assert (await running).error.type == "TimeLimitExceeded"


@linux_only
async def test_the_peak_of_a_run_is_its_own(new_executor):
    """The peak is kept with the outcome; what an earlier run held and gave back is not counted again."""
    executor = new_executor()
    greedy = await end_of(executor, queued(hostile_jobs.leaks, bytes_=96 * MIB))
    modest = await end_of(executor, queued(hostile_jobs.pid))
    assert greedy.peak_bytes > 96 * MIB
    assert modest.peak_bytes < 96 * MIB


@linux_only
async def test_a_peak_too_short_to_be_seen_counts_all_the_same(new_executor):
    """A run that has ended with a peak above its limit fails, although nobody caught it in the act."""
    executor = new_executor()
    job = queued(hostile_jobs.leaks, holding(60), bytes_=40 * MIB, chunk=40 * MIB)
    outcome = await end_of(executor, job)
    assert outcome.error.type == "MemoryLimitExceeded"
    assert outcome.peak_bytes > 60 * MIB
