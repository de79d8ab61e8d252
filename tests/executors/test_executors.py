"""Executors: what each promises about jobs that do their worst."""
# ruff: noqa: PTH208, ASYNC240 -- it looks into /proc

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hostile_jobs
import psycopg
import pytest
from decided import end_of
from support import IMPORT_PATH, WITHIN_S, until

from chancy_core.errors import InvalidQueue
from chancy_core.executors import ExecutorSettings, StopReason, auto, load_executor
from chancy_core.executors.functions import Functions
from chancy_core.executors.process import ProcessExecutor
from chancy_core.hookspecs import hookimpl
from chancy_core.plugins import Around, Plugin
from chancy_core.values.job import Job, Limit
from chancy_core.values.queue import Executor, Queue
from chancy_core.values.queuedjob import QueuedJob, State
from chancy_core.worker import Worker

MIB = 1024 * 1024
RESULT_LIMIT = 6 * MIB
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def within(seconds: float) -> Limit:
    return Limit(Limit.Type.TIME, seconds)


def holding(mib: float) -> Limit:
    return Limit(Limit.Type.MEMORY, mib * MIB)


def queued(func: Callable[..., Any], *limits: Limit, **kwargs: Any) -> QueuedJob:
    """A job as a worker would have claimed it."""
    name = f"{func.__module__}.{func.__qualname__}"
    return QueuedJob(
        func=name, kwargs=kwargs, limits=list(limits), id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1
    )


def settings(concurrency: int = 4, **more: Any) -> ExecutorSettings:
    return ExecutorSettings("test", concurrency, RESULT_LIMIT, Functions(), **more)


@pytest.fixture
async def new_executor() -> AsyncIterator[Callable[..., ProcessExecutor]]:
    """Makes process executors, and sees to it that none leaves a process or a descriptor behind."""
    before = set(os.listdir("/proc/self/fd")) if Path("/proc").exists() else set()
    made: list[ProcessExecutor] = []

    def new(**options: Any) -> ProcessExecutor:
        more = {"around": options.pop("around")} if "around" in options else {}
        made.append(ProcessExecutor(settings(**more), **options))
        return made[-1]

    yield new
    for executor in made:
        pids = family(executor)
        await executor.close()
        await until(lambda pids=pids: not any(map(lives, pids)))
    if before:
        assert set(os.listdir("/proc/self/fd")) <= before


def family(executor: ProcessExecutor) -> list[int]:
    """The nursery and the children."""
    nurse = [] if executor._nurse is None else [executor._nurse.pid]
    return nurse + [child.pid for child in executor._children.values() if child.pid is not None]


def lives(pid: int) -> bool:
    """Whether there is such a process, a zombie included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def result_of(executor: Any, func: Callable[..., Any], *limits: Limit, **kwargs: Any) -> Any:
    outcome = await end_of(executor, queued(func, *limits, **kwargs))
    assert outcome.state == "succeeded", outcome.error
    return None if outcome.result is None else json.loads(outcome.result)


# -- the matrix ----------------------------------------------------------------------------

# How each behaviour ends: the state, the error's type, and what its text or the note says.
FINE = ("succeeded", None, "")
OVER_TIME = ("failed", "TimeLimitExceeded", "its time limit is 0.5 s")
OVER_MEMORY = ("failed", "MemoryLimitExceeded", "its memory limit is 200.0 MiB")
WRONG_KIND = ("failed", "CannotRun", "coroutine function")
REFUSED = ("failed", "LimitNotEnforced", "cannot enforce")
TOO_LARGE = ("succeeded", None, "The result was not kept: it takes 5,")
NO_JSON = ("succeeded", None, "which is not JSON")
ON_PURPOSE = ("failed", "ValueError", "on purpose")

# What would take a worker's own process with it is given a limit, so that Auto keeps it out of there.
SAFE = (within(60),)
BEHAVIOURS: dict[str, Job] = {
    "async": Job.from_func(hostile_jobs.pid_async),
    "sync": Job.from_func(hostile_jobs.pid),
    "computes": Job.from_func(hostile_jobs.compute, kwargs={"n": 200_000}),
    "raises": Job.from_func(hostile_jobs.raises),
    "raises, async": Job.from_func(hostile_jobs.raises_async),
    "hangs": Job.from_func(hostile_jobs.hangs, limits=[within(0.5)]),
    "hangs, async": Job.from_func(hostile_jobs.hangs_async, limits=[within(0.5)]),
    "leaks": Job.from_func(hostile_jobs.leaks, kwargs={"bytes_": 2048 * MIB}, limits=[holding(200)]),
    "reserves": Job.from_func(hostile_jobs.reserves, kwargs={"bytes_": 8192 * MIB}, limits=[holding(200)]),
    "returns 5 MB": Job.from_func(hostile_jobs.large, kwargs={"size": 5_000_000}),
    "returns no JSON": Job.from_func(hostile_jobs.unpicklable),
    "prints": Job.from_func(hostile_jobs.prints, kwargs={"text": "printed"}),
}
# Only a process of its own survives these.
DEADLY: dict[str, Job] = {
    "exits": Job.from_func(hostile_jobs.exits, limits=SAFE),
    "crashes": Job.from_func(hostile_jobs.crashes, limits=SAFE),
    "forks": Job.from_func(hostile_jobs.forks_and_exits, limits=SAFE),
    "fork returns": Job.from_func(hostile_jobs.forks_and_returns, limits=SAFE),
    "hangs in C": Job.from_func(hostile_jobs.hangs_in_c, limits=[within(0.5)]),
    "cuts its line": Job.from_func(hostile_jobs.closes_everything, kwargs={"seconds": 0.1}, limits=SAFE),
    "writes nonsense": Job.from_func(hostile_jobs.writes_nonsense, limits=SAFE),
}
DEATHS = {
    "exits": ("failed", "ChildProcessDied", "exited with code 1"),
    "crashes": ("failed", "ChildProcessDied", "was killed by SIGSEGV"),
    "forks": ("failed", "ChildProcessDied", "exited with code 3"),
    "fork returns": FINE,
    "hangs in C": OVER_TIME,
    "cuts its line": ("failed", "ChildProcessDied", "exited with code 1"),
    "writes nonsense": ("failed", "ChildProcessDied", "wrote into the line to its worker"),
}
ENDS = {
    Executor.Process: dict.fromkeys(BEHAVIOURS, FINE)
    | {
        "raises": ON_PURPOSE,
        "raises, async": ON_PURPOSE,
        "hangs": OVER_TIME,
        "hangs, async": OVER_TIME,
        "leaks": OVER_MEMORY,
        "returns 5 MB": TOO_LARGE,
        "returns no JSON": NO_JSON,
    }
    | DEATHS,
    Executor.Threaded: dict.fromkeys(BEHAVIOURS, FINE)
    | {
        "async": WRONG_KIND,
        "raises": ON_PURPOSE,
        "raises, async": WRONG_KIND,
        "hangs": REFUSED,
        "hangs, async": WRONG_KIND,
        "leaks": REFUSED,
        "reserves": REFUSED,
        "returns 5 MB": TOO_LARGE,
        "returns no JSON": NO_JSON,
    },
    Executor.Async: dict.fromkeys(BEHAVIOURS, WRONG_KIND)
    | {
        "async": FINE,
        "raises, async": ON_PURPOSE,
        "hangs, async": OVER_TIME,
        "leaks": REFUSED,
        "reserves": REFUSED,
    },
}
ENDS[Executor.Auto] = ENDS[Executor.Process]


@linux_only
@pytest.mark.parametrize("executor", ENDS)
async def test_how_each_behaviour_ends(chancy, executor):
    """On every executor each behaviour ends as documented, all of them at a time, and nobody's neighbour notices."""
    ends = ENDS[executor]
    await chancy.declare(Queue("q", executor=executor, concurrency=len(ends) + 2))
    async with Worker(chancy) as worker:
        neighbour = hostile_jobs.pid_async if executor is Executor.Async else hostile_jobs.pid
        names = list(ends)
        pushed = await chancy.push_many("q", *(({**BEHAVIOURS, **DEADLY})[name] for name in names))
        neighbours = await chancy.push_many("q", *[Job.from_func(neighbour)] * 20)
        finished = dict(zip(names, await chancy.wait_for_jobs(pushed, timeout=60), strict=True))
        for job in await chancy.wait_for_jobs(neighbours, timeout=60):
            assert (job.state, job.errors, job.worker) == ("succeeded", [], worker.name)
    wrong = {}
    for name, (state, kind, text) in ends.items():
        job = finished[name]
        error = job.errors[-1] if job.errors else None
        said = (error.message if error else job.note) or ""
        if (job.state, error and error.type) != (state, kind) or text not in said:
            wrong[name] = (job.state, error and error.type, said)
    assert wrong == {}


# -- children ------------------------------------------------------------------------------


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
        os.kill(executor._nurse.pid, number)
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
        "import asyncio, sys, test_executors as t, hostile_jobs as h\n"
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
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([IMPORT_PATH, str(Path(__file__).parent)]),
        },
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
    nursery = len(os.listdir(f"/proc/{executor._nurse.pid}/fd"))
    ends = Counter(await asyncio.gather(*map(one, range(1000))))
    assert ends == {"ChildProcessDied": 100, "succeeded": 900}
    await until(lambda: len(executor._children) <= 4)
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 4
    assert len(os.listdir(f"/proc/{executor._nurse.pid}/fd")) == nursery
    states = Counter(
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in children_of(executor._nurse.pid)
    )
    assert states["Z"] == 0
    assert sum(states.values()) <= 4


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# -- limits --------------------------------------------------------------------------------


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
    watched = await until(lambda: [w for w in executor._guard._watches if w.kill_for.name == "TIME"])
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


# -- stopping ------------------------------------------------------------------------------


@pytest.mark.parametrize("func", [hostile_jobs.hangs, hostile_jobs.hangs_async, hostile_jobs.ignores_cancellation])
@pytest.mark.parametrize(
    ("reason", "state", "spent"), [(StopReason.CANCELLED, "cancelled", True), (StopReason.SHUTDOWN, "pending", False)]
)
async def test_a_running_job_is_stopped(new_executor, func, reason, state, spent):
    """It is told, and killed if it does not heed; cancelled it ends so, at a shutdown it goes back unspent."""
    executor = new_executor(grace_s=0.3)
    pid = await result_of(executor, hostile_jobs.pid)
    job = queued(func)
    task = asyncio.create_task(end_of(executor, job))
    await until(lambda: executor._busy)
    executor.stop(job, task, reason)
    outcome = await task
    assert (outcome.state, outcome.attempt_spent, outcome.note) == (state, spent, reason.value)
    # A coroutine that heeds its cancellation leaves its child alive.
    survived = await result_of(executor, hostile_jobs.pid) == pid
    assert survived == (func is hostile_jobs.hangs_async)


async def test_being_told_again_gives_no_more_time(new_executor):
    """A job that is told to stop again and again, and does not heed, is killed after the grace time all the same."""
    executor = new_executor(grace_s=0.5)
    await result_of(executor, hostile_jobs.pid)
    job = queued(hostile_jobs.ignores_cancellation)
    task = asyncio.create_task(end_of(executor, job))
    await until(lambda: executor._busy)
    start = time.monotonic()
    while not task.done() and time.monotonic() - start < 10:
        executor.stop(job, task, StopReason.CANCELLED)
        await asyncio.sleep(0.1)
    assert (await task).state == "cancelled"


async def test_a_checkpoint_in_a_child_stops_the_job(new_executor, tmp_path):
    """A plain function is stopped at its checkpoint, cleans up, and its child lives on."""
    executor = new_executor(grace_s=60)
    pid = await result_of(executor, hostile_jobs.pid)
    for func, reason in ((hostile_jobs.heeds, StopReason.CANCELLED), (hostile_jobs.heeds, None)):
        path = tmp_path / str(reason)
        job = queued(func, *([] if reason else [within(0.2)]), path=str(path))
        task = asyncio.create_task(end_of(executor, job))
        await until(lambda: executor._busy)
        if reason:
            executor.stop(job, task, reason)
        outcome = await task
        assert (outcome.state, outcome.error and outcome.error.type) == (
            ("cancelled", None) if reason else ("failed", "TimeLimitExceeded")
        )
        assert path.read_text() == "cleaned up"
    assert await result_of(executor, hostile_jobs.pid) == pid


@pytest.mark.parametrize("heeds", [True, False])
async def test_a_job_in_a_child_is_cancelled_by_its_reference(chancy, tmp_path, heeds):
    """`ref.cancel()` reaches the child: a job that heeds cleans up, another one is killed; both end cancelled."""
    path = tmp_path / "path"
    options = {"grace_s": 60 if heeds else 0.2}
    await chancy.declare(Queue("q", executor=Executor.Process, executor_options=options))
    job = Job.from_func(hostile_jobs.heeds, kwargs={"path": str(path)}) if heeds else Job.from_func(hostile_jobs.hangs)
    async with Worker(chancy):
        reference = await chancy.push("q", job.with_max_attempts(3))
        await until(lambda: is_running(reference))
        await reference.cancel(reason="enough")
        finished = await reference.wait(timeout=WITHIN_S)
    assert (finished.state, finished.note, finished.attempts) == ("cancelled", "enough", 1)
    assert path.exists() == heeds


async def is_running(reference: Any) -> bool:
    return (await reference.get()).state == "running"


async def test_a_worker_that_stops_hands_back_what_hangs_in_a_child(chancy):
    """At the end of the worker's grace time the child is told, killed, and the job is runnable, no attempt spent."""
    await chancy.declare(Queue("q", executor=Executor.Process, executor_options={"grace_s": 0.2}))
    async with Worker(chancy, grace_s=0.1):
        reference = await chancy.push("q", Job.from_func(hostile_jobs.hangs))
        await until(lambda: is_running(reference))
    found = await reference.get()
    assert (found.state, found.attempts) == ("pending", 0)


async def test_a_job_in_a_child_tells_how_far_it_is_and_changes_its_meta(chancy, tmp_path):
    """Progress is seen while the job runs in a child; its meta, run time and peak are kept with the finished job."""
    path = tmp_path / "go on"
    await chancy.declare(Queue("q", executor=Executor.Process))
    async with Worker(chancy):
        reference = await chancy.push("q", Job.from_func(hostile_jobs.tells, kwargs={"path": str(path)}))

        async def told() -> bool:
            progress = (await reference.get()).progress
            return progress is not None and (progress.fraction, progress.note) == (0.25, "begun")

        await until(told)
        path.touch()
        finished = await reference.wait(timeout=WITHIN_S)
    assert finished.result == 1
    assert finished.meta["pid"] != os.getpid()
    assert finished.run_s > 0
    assert finished.peak_bytes > 0


class Round(Plugin):
    """Writes down where it is entered."""

    name = "round"
    path: str = ""

    @hookimpl
    def around_job(self, job: QueuedJob) -> Any:
        @contextmanager
        def entered() -> Any:
            with Path(self.path).open("a") as file:
                file.write(f"{os.getpid()}\n")
            yield

        return entered()


async def test_what_plugins_put_round_a_job_is_entered_in_the_child(new_executor, tmp_path):
    """`around_job` of a copy of the plugin, with its settings, is entered in the process that runs the job."""
    path = tmp_path / "entered"
    executor = new_executor(around=Around([Round(path=str(path))]))
    pids = [await result_of(executor, func) for func in (hostile_jobs.pid, hostile_jobs.pid_async)]
    assert path.read_text().split() == [str(pid) for pid in pids]


async def test_a_stop_that_comes_too_late_stops_nothing(new_executor):
    """A job is told to stop when it has ended: the next one in that child runs as if nothing had been."""
    executor = new_executor(grace_s=0)
    job = queued(hostile_jobs.pid)
    task = asyncio.create_task(end_of(executor, job))
    outcome = await task
    executor.stop(job, task, StopReason.CANCELLED)
    executor.forget(job)
    assert outcome.state == "succeeded"
    assert await result_of(executor, hostile_jobs.sleeps, seconds=0.1) == int(outcome.result)


async def test_jobs_that_run_when_the_executor_closes_are_killed(new_executor):
    """Closing waits for nobody: the job's outcome says that its executor was closed."""
    executor = new_executor()
    task = asyncio.create_task(end_of(executor, queued(hostile_jobs.hangs)))
    await until(lambda: len(family(executor)) == 2)
    await executor.close()
    assert "its executor was closed" in (await task).error.message


# -- plugins, settings, names --------------------------------------------------------------


class Locked(Plugin):
    """A plugin that cannot be sent anywhere."""

    name = "locked"

    def __reduce__(self) -> Any:
        raise TypeError("it holds a lock")

    @hookimpl
    def around_job(self, job: QueuedJob) -> None:
        """Nothing."""


async def test_a_plugin_that_cannot_be_sent_to_a_child_is_named(new_executor):
    """The executor refuses to start, because jobs without their `around_job` would not be what was asked for."""
    executor = new_executor(around=Around([Locked()]))
    with pytest.raises(Exception, match="The plugin 'locked' implements around_job, and cannot be sent"):
        await executor.start()


@pytest.mark.parametrize("seconds", [1e12, 2.0**53])
async def test_a_limit_longer_than_a_thread_can_wait_ends_no_watch(new_executor, seconds):
    """After a job whose time limit is of another age, the limits of others are still enforced."""
    executor = new_executor(grace_s=0.1)
    assert (await end_of(executor, queued(hostile_jobs.pid, within(seconds)))).state == State.SUCCEEDED
    late = await end_of(executor, queued(hostile_jobs.sleeps, within(0.2), seconds=60))
    assert late.error.type == "TimeLimitExceeded"


async def test_only_allowed_functions_run_in_a_child():
    """The patterns of `functions` hold there too."""
    executor = ProcessExecutor(ExecutorSettings("test", 1, RESULT_LIMIT, Functions(["other.*"])))
    try:
        outcome = await end_of(executor, queued(hostile_jobs.pid))
        assert (outcome.state, outcome.unrunnable) == ("pending", True)
        assert "matches none of the patterns" in outcome.note
    finally:
        await executor.close()


async def test_a_job_whose_executor_cannot_be_made_comes_to_its_end(chancy, monkeypatch):
    """It is put off, no attempt spent, until there is one; jobs that need none are run as ever."""
    made = auto.AutoExecutor._processes
    attempts: list[None] = []

    def not_at_first(*arguments: Any) -> ProcessExecutor:
        attempts.append(None)
        if len(attempts) == 1:
            raise OSError(24, "Too many open files")
        return made(*arguments)

    monkeypatch.setattr(auto.AutoExecutor, "_processes", not_at_first)
    limited = Job(func="hostile_jobs.pid", limits=[holding(500)])
    async with Worker(chancy) as worker:
        ended = await (await chancy.push(limited)).wait(timeout=WITHIN_S)
        assert (ended.state, ended.attempts, ended.claims, ended.errors) == (State.SUCCEEDED, 1, 2, [])
        plain = await (await chancy.push(Job(func="hostile_jobs.pid"))).wait(timeout=WITHIN_S)
        assert (plain.result, ended.result != os.getpid()) == (os.getpid(), True)
        await until(lambda: worker.running == 0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"start_method": "magic"}, "start_method is 'magic': give one of forkserver, spawn"),
        ({"maximum_jobs_per_worker": 0}, "maximum_jobs_per_worker is 0"),
        ({"grace_s": -1}, "grace_s is -1"),
        ({"keep_idle_s": "long"}, "keep_idle_s is 'long'"),
        ({"nonsense": 1}, "does not take executor_options"),
    ],
)
@pytest.mark.parametrize("executor", [Executor.Process, Executor.Auto])
def test_wrong_options_are_refused(executor, options, problem):
    """An option that is unknown or out of range is told with its name, its value, and the queue's name."""
    with pytest.raises(InvalidQueue, match="Queue 'q'") as refused:
        load_executor(Queue("q", executor=executor, executor_options=options), settings())
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("chancy.executors.process.ProcessExecutor", Executor.Process),
        ("chancy.executors.asyncex.AsyncExecutor", Executor.Async),
        ("chancy.executors.thread.ThreadedExecutor", Executor.Threaded),
        ("threaded", Executor.Threaded),
        ("Process", Executor.Process),
        ("auto", Executor.Auto),
    ],
)
def test_executors_go_by_former_paths_and_by_words(name, found):
    """The import paths of Chancy 0, and the words of the configuration, name the same executors."""
    queue = Queue("q", executor=name)
    assert queue.executor is found
    assert type(load_executor(queue, settings())).__name__ == found.value.rpartition(".")[2]


@pytest.mark.parametrize("name", [Executor.SubInterpreter, "chancy.executors.sub.SubInterpreterExecutor"])
async def test_sub_interpreters_are_known_and_refused(chancy, name):
    """Declaring a queue for them says that they are not there, and why; nothing is declared."""
    with pytest.raises(InvalidQueue, match=r"SubInterpreter is not there yet: it needs Python 3\.14"):
        await chancy.declare(Queue("q", executor=name))
    with pytest.raises(InvalidQueue, match=r"needs Python 3\.14"):
        load_executor(Queue("q", executor=name), settings())
    assert [queue.name for queue in await chancy.get_all_queues()] == ["default"]


class Gpu(ProcessExecutor):
    """An executor of somebody's."""


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """An installed package that offers executors."""
    info = tmp_path / "gpu-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gpu\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[chancy.executors]\ngpu = test_executors:Gpu\nbroken = nowhere:Nothing\nwrong = hostile_jobs:pid\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_packages_offer_executors_by_name(offered):
    """`executor="gpu"` is what a package offers so; unknown, broken and wrong ones are told with the nearest name."""
    assert type(load_executor(Queue("q", executor="gpu"), settings())).__name__ == "Gpu"
    for name, problem in (
        ("gpus", "Did you mean 'gpu'?"),
        ("broken", "does not load: ModuleNotFoundError"),
        ("wrong", "is not an executor"),
        ("proces", "Did you mean 'process'?"),
    ):
        with pytest.raises(InvalidQueue) as refused:
            load_executor(Queue("q", executor=name), settings())
        assert problem in str(refused.value)


async def test_a_function_of_the_workers_own_script_runs_in_a_child(tmp_path, dsn, schema):
    """A script that pushes a function of its own and works itself runs it, with limits, in a child that knows it."""
    script = tmp_path / "all_in_one.py"
    script.write_text(
        f"""
import asyncio, os
from chancy import Chancy, Job, Limit, Worker

def where(name: str):
    return [name, os.getpid()]

async def main():
    async with Chancy({dsn!r}, schema={schema!r}, discover=False) as chancy, Worker(chancy):
        job = Job.from_func(where, kwargs={{"name": "x"}}, limits=[Limit(Limit.Type.MEMORY, 2**29)])
        done = await (await chancy.push(job)).wait(timeout=60)
        print(done.state, done.result[0], done.result[1] != os.getpid())

if __name__ == "__main__":
    asyncio.run(main())
"""
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": IMPORT_PATH},
    )
    out, _ = await process.communicate()
    assert out.decode().split() == ["succeeded", "x", "True"]
