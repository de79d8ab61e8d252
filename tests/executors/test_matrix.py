"""Executors: what each promises about jobs that do their worst; and plugins, settings, names."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import hostile_jobs
import pytest
from decided import end_of
from processing import MIB, RESULT_LIMIT, SAFE, holding, linux_only, queued, settings, within
from support import IMPORT_PATH, WITHIN_S, until

from chancy_core.errors import InvalidQueue
from chancy_core.executors import ExecutorSettings, auto, load_executor
from chancy_core.executors.functions import Functions
from chancy_core.executors.process import ProcessExecutor
from chancy_core.hookspecs import hookimpl
from chancy_core.plugins import Around, Plugin
from chancy_core.values.job import Job
from chancy_core.values.queue import Executor, Queue
from chancy_core.values.queuedjob import QueuedJob, State
from chancy_core.worker import Worker

# How each behaviour ends: the state, the error's type, and what its text or the note says.
FINE = ("succeeded", None, "")


OVER_TIME = ("failed", "TimeLimitExceeded", "its time limit is 0.5 s")


OVER_MEMORY = ("failed", "MemoryLimitExceeded", "its memory limit is 200.0 MiB")


WRONG_KIND = ("failed", "CannotRun", "coroutine function")


REFUSED = ("failed", "LimitNotEnforced", "cannot enforce")


TOO_LARGE = ("succeeded", None, "The result was not kept: it takes 5,")


NO_JSON = ("succeeded", None, "which is not JSON")


ON_PURPOSE = ("failed", "ValueError", "on purpose")


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
        "raises": ON_PURPOSE,
        "raises, async": ON_PURPOSE,
        "hangs": REFUSED,
        "hangs, async": OVER_TIME,
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
        "[chancy.executors]\ngpu = test_matrix:Gpu\nbroken = nowhere:Nothing\nwrong = hostile_jobs:pid\n"
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
