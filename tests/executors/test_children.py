"""The process executor: its children, which are kept, replaced, and never left behind."""

# ruff: noqa: PTH208, ASYNC240 -- it looks into /proc

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

import hostile_jobs
import psycopg
import pytest
from decided import end_of
from processing import MIB, SAFE, family, holding, linux_only, lives, queued, result_of, within
from support import IMPORT_PATH, until


async def test_a_child_is_kept_and_used_again(new_executor):
    """Jobs one after another run in one child, coroutine functions and plain ones; at a time they run in several."""
    executor = new_executor()
    pids = [await result_of(executor, func) for func in (hostile_jobs.pid, hostile_jobs.pid_async) * 3]
    assert len(set(pids)) == 1
    assert pids[0] != os.getpid()
    at_a_time = await asyncio.gather(*(result_of(executor, hostile_jobs.sleeps, seconds=0.2) for _ in range(3)))
    assert len(set(at_a_time)) == 3
    assert pids[0] in at_a_time


async def test_a_child_is_replaced_after_so_many_jobs(new_executor):
    """`maximum_jobs_per_worker=3`: every fourth job meets a new child, and the old one ends by itself."""
    executor = new_executor(maximum_jobs_per_worker=3)
    pids = [await result_of(executor, hostile_jobs.pid) for _ in range(9)]
    assert list(Counter(pids).values()) == [3, 3, 3]
    await until(lambda: not any(map(lives, pids)))


@linux_only
async def test_a_child_that_grew_is_replaced(new_executor):
    """A child that keeps more than `replace_above_bytes` gets no other job, one that keeps less does."""
    executor = new_executor(replace_above_bytes=150 * MIB)
    little = await result_of(executor, hostile_jobs.keeps, bytes_=10 * MIB)
    assert await result_of(executor, hostile_jobs.keeps, bytes_=150 * MIB) == little
    assert await result_of(executor, hostile_jobs.pid) != little


@linux_only
async def test_a_job_with_a_memory_limit_gets_no_child_that_others_filled(new_executor):
    """What earlier jobs left in a child is not counted against a limit: the job gets a new child."""
    executor = new_executor()
    filled = await result_of(executor, hostile_jobs.keeps, bytes_=150 * MIB)
    assert await result_of(executor, hostile_jobs.pid, holding(160)) != filled


async def test_children_without_work_are_ended(new_executor):
    """A child that had nothing to do for `keep_idle_s` is gone, and the next job gets another."""
    executor = new_executor(keep_idle_s=0.1)
    first = await result_of(executor, hostile_jobs.pid)
    await until(lambda: not lives(first))
    assert await result_of(executor, hostile_jobs.pid) != first


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
async def test_both_ways_of_starting_children(new_executor, start_method):
    """Either way jobs run, die, and are followed by others; the worker's sys.path holds in the child."""
    executor = new_executor(start_method=start_method)
    first = await result_of(executor, hostile_jobs.pid)
    assert (await end_of(executor, queued(hostile_jobs.exits))).error.type == "ChildProcessDied"
    assert not lives(first)
    assert await result_of(executor, hostile_jobs.pid_async) not in (first, os.getpid())


async def test_the_initializer_runs_once_in_each_child(new_executor):
    """`initializer` is called before a child's first job, and only then."""
    executor = new_executor(initializer="hostile_jobs.initialize")
    pid = await result_of(executor, hostile_jobs.pid)
    assert await result_of(executor, hostile_jobs.was_set_up) == [pid]


async def test_an_initializer_that_fails_costs_no_attempt(new_executor):
    """The job that was to be the child's first goes back with the initializer's error as its note."""
    executor = new_executor(initializer="hostile_jobs.fail_to_initialize")
    job = queued(hostile_jobs.pid)
    outcome = await end_of(executor, job)
    assert (outcome.state, outcome.attempt_spent, outcome.unrunnable) == ("pending", False, True)
    assert "the initializer hostile_jobs.fail_to_initialize raised RuntimeError: no such luck" in outcome.note


@linux_only
async def test_children_inherit_nothing_of_the_worker(new_executor, dsn):
    """A child has its standard streams and its own line to the worker; no database connection, no listening socket."""
    async with await psycopg.AsyncConnection.connect(dsn), await asyncio.start_server(lambda *_: None, "127.0.0.1"):
        executor = new_executor()
        found = await result_of(executor, hostile_jobs.descriptors)
    beyond = [one for one in found if int(one.split()[0]) > 2 and "/proc/" not in one]
    assert [one.split()[1].partition(":")[0] for one in beyond] == ["socket"], found


@linux_only
async def test_programs_that_jobs_start_heed_signals(new_executor):
    """A child heeds no Ctrl-C and no SIGTERM, but what a job starts does."""
    executor = new_executor()
    pid = await result_of(executor, hostile_jobs.pid)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
        os.kill(executor._children._nurse.pid, number)
    assert await result_of(executor, hostile_jobs.pid) == pid
    assert await result_of(executor, hostile_jobs.signals_ignored) == []


async def test_what_jobs_print_comes_out_of_the_worker(new_executor, capfd):
    """Prints go to the worker's own standard output and error, unchanged, and at once: a kill loses none."""
    executor = new_executor()
    await end_of(executor, queued(hostile_jobs.prints, text="hello"))
    await end_of(executor, queued(hostile_jobs.prints_and_hangs, within(1), text="last words"))
    out, err = capfd.readouterr()
    assert out.splitlines() == ["hello", "last words"]
    assert err.splitlines() == ["HELLO"]


async def test_what_a_job_started_is_killed_with_it(new_executor, tmp_path):
    """A program that a job started does not outlive a job that is killed."""
    executor = new_executor(grace_s=0)
    path = tmp_path / "pid"
    assert (await end_of(executor, queued(hostile_jobs.starts_and_hangs, within(3), path=str(path)))).error
    program = int(path.read_text())
    await until(lambda: not lives(program) or "Z" in Path(f"/proc/{program}/stat").read_text())


@linux_only
async def test_children_die_with_their_worker_even_in_c_code(tmp_path):
    """When a worker is killed, its nursery and its children are gone at once, also one that hangs in C code."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import asyncio, sys, processing as t, hostile_jobs as h\n"
        "async def main():\n"
        "    executor = t.ProcessExecutor(t.settings())\n"
        "    for func in (h.hangs_in_c, h.hangs_async, h.hangs):\n"
        "        asyncio.ensure_future(executor.run(t.queued(func)))\n"
        "    while len(t.family(executor)) < 4:\n"
        "        await asyncio.sleep(0.01)\n"
        "    await t.result_of(executor, h.pid)\n"
        "    print(*t.family(executor), flush=True)\n"
        "    await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": IMPORT_PATH},
    )
    pids = [int(pid) for pid in (await process.stdout.readline()).split()]
    assert len(pids) >= 4
    process.kill()
    await process.wait()

    def gone(pid: int) -> bool:
        # Whoever inherits it may take its time to reap it.
        return not lives(pid) or "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    await until(lambda: all(map(gone, pids)))


async def test_the_loss_of_the_nursery_is_survived(new_executor):
    """When the process that starts children is killed, running jobs fail with that reason, and the next one runs."""
    executor = new_executor()
    running = asyncio.create_task(end_of(executor, queued(hostile_jobs.hangs)))
    await until(lambda: len(family(executor)) == 2)
    pids = family(executor)
    os.kill(pids[0], signal.SIGKILL)
    outcome = await running
    assert outcome.error.type == "ChildProcessDied"
    assert "the process that had started it" in outcome.error.message
    assert await result_of(executor, hostile_jobs.pid) not in pids
    await until(lambda: not lives(pids[0]))


@linux_only
async def test_a_thousand_jobs_leave_nothing_behind(new_executor):
    """After 1,000 jobs of which a tenth take their child with them: no zombie, no descriptor, no thread more."""
    executor = new_executor()
    deadly = [hostile_jobs.exits, hostile_jobs.crashes, hostile_jobs.forks_and_exits]
    slots = asyncio.Semaphore(4)

    async def one(number: int) -> str:
        func = deadly[number // 10 % 3] if number % 10 == 0 else hostile_jobs.pid
        async with slots:
            outcome = await end_of(executor, queued(func, *SAFE))
        return outcome.error.type if outcome.error else outcome.state

    await asyncio.gather(*map(one, range(10)))
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    nursery = len(os.listdir(f"/proc/{executor._children._nurse.pid}/fd"))
    ends = Counter(await asyncio.gather(*map(one, range(1000))))
    assert ends == {"ChildProcessDied": 100, "succeeded": 900}
    await until(lambda: len(executor._children._children) <= 4)
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 4
    assert len(os.listdir(f"/proc/{executor._children._nurse.pid}/fd")) == nursery
    states = Counter(
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        for pid in children_of(executor._children._nurse.pid)
    )
    assert states["Z"] == 0
    assert sum(states.values()) <= 4


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
