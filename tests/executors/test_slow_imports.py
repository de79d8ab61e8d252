"""A module that takes long to import, or does not, holds up the jobs that need it, and nothing else."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from decided import end_of
from processing import within
from support import WITHIN_S, until

from chancy import Job, Queue, State, Worker
from chancy_core.executors import ExecutorSettings, StopReason
from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.executors.auto import AutoExecutor
from chancy_core.executors.functions import Functions
from chancy_core.executors.thread import ThreadExecutor
from chancy_core.values.queue import Executor
from chancy_core.values.queuedjob import QueuedJob

EXECUTORS = {
    Executor.Auto: (AutoExecutor, "plain"),
    Executor.Async: (AsyncExecutor, "coroutine"),
    Executor.Threaded: (ThreadExecutor, "plain"),
}

# What a module does while it is imported. The test lets it go on.
gate = threading.Event()
importing: list[str] = []
FUNCTIONS = """
def plain(**given):
    return "ran"

async def coroutine(**given):
    return "ran"
"""
WAITS = f"""
import test_slow_imports
test_slow_imports.importing.append(__name__)
assert test_slow_imports.gate.wait({WITHIN_S})
{FUNCTIONS}
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module, which nobody has imported before, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parent)

    def write(text: str) -> str:
        name = f"imported_{uuid.uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    gate.clear()
    importing.clear()
    yield write
    gate.set()


def executor_of(kind: Executor):
    return EXECUTORS[kind][0](ExecutorSettings("test", 9, 10_000, Functions()))


def claimed(func: str, *limits) -> QueuedJob:
    return QueuedJob(func=func, limits=list(limits), id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1)


@pytest.mark.parametrize("kind", EXECUTORS)
async def test_the_loop_goes_on_while_a_module_is_imported(module, kind):
    """Other jobs, the lease and claims have their turn: here it is the loop itself that ends the import."""
    name = module(WAITS)
    executor = executor_of(kind)
    runs = [asyncio.create_task(end_of(executor, claimed(f"{name}.{EXECUTORS[kind][1]}"))) for _ in range(5)]
    await until(lambda: importing)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not any(run.done() for run in runs)
    gate.set()
    assert [(await run).result for run in runs] == [b'"ran"'] * 5
    assert importing == [name]
    await executor.close()


async def test_a_neighbour_runs_while_a_module_is_imported(chancy, module):
    """On the default queue a coroutine function, and a plain one, end while another's module is being imported."""
    slow = await chancy.push(Job(func=f"{module(WAITS)}.plain"))
    async with Worker(chancy):
        await until(lambda: importing)
        others = await chancy.push_many(Job(func="jobs.noop"), Job(func="hostile_jobs.pid"))
        ended = await chancy.wait_for_jobs(others, timeout=WITHIN_S)
        assert {job.state for job in ended} == {"succeeded"}
        assert (await slow.get()).state == State.RUNNING
        gate.set()
        assert (await slow.wait(timeout=WITHIN_S)).result == "ran"


@pytest.mark.parametrize("kind", EXECUTORS)
async def test_a_module_that_does_not_import_is_the_workers_fault(module, kind):
    """All that waited for it go back, no attempt spent; and it is tried again, for it may have been mended."""
    name = module("raise KeyError('no settings')")
    executor = executor_of(kind)
    for _ in range(2):
        ended = await asyncio.gather(*(end_of(executor, claimed(f"{name}.plain")) for _ in range(3)))
        for outcome in ended:
            assert (outcome.state, outcome.attempt_spent, outcome.unrunnable) == (State.PENDING, False, True)
            assert "raised KeyError: 'no settings'" in outcome.note
    assert executor.finder._imports == {}
    await executor.close()


@pytest.mark.parametrize(
    "text",
    [
        "import signal\nsignal.signal(signal.SIGUSR2, signal.SIG_DFL)\n",
        "import asyncio\nloop = asyncio.get_running_loop()\n",
        "import asyncio\nloop = asyncio.get_event_loop()\n",
    ],
    ids=["signal", "running loop", "event loop"],
)
@pytest.mark.parametrize("kind", [Executor.Auto, Executor.Async])
async def test_a_module_that_needs_the_main_thread_is_imported_there(module, kind, text):
    """A module that handles signals, or wants the loop, is imported as it would be by any script."""
    executor = executor_of(kind)
    outcome = await end_of(executor, claimed(f"{module(text + FUNCTIONS)}.coroutine"))
    assert (outcome.state, outcome.result) == (State.SUCCEEDED, b'"ran"')
    await executor.close()


@pytest.mark.parametrize("kind", EXECUTORS)
async def test_a_job_is_cancelled_while_its_module_is_imported(module, kind):
    """It is over at once; the others, which wait for the same import, run."""
    name = module(WAITS)
    executor = executor_of(kind)
    first, second = claimed(f"{name}.{EXECUTORS[kind][1]}"), claimed(f"{name}.{EXECUTORS[kind][1]}")
    cancelled, other = (asyncio.create_task(end_of(executor, job)) for job in (first, second))
    await until(lambda: importing)
    executor.stop(first, cancelled, StopReason.CANCELLED)
    assert (await asyncio.wait_for(cancelled, WITHIN_S)).state == State.CANCELLED
    gate.set()
    assert (await other).result == b'"ran"'
    await executor.close()


async def test_the_import_takes_none_of_a_time_limit(module):
    """The limit counts from the start of the function."""
    name = module(WAITS)
    executor = executor_of(Executor.Auto)
    run = asyncio.create_task(end_of(executor, claimed(f"{name}.coroutine", within(2))))
    await until(lambda: importing)
    asyncio.get_running_loop().call_later(3, gate.set)
    assert (await run).state == State.SUCCEEDED
    await executor.close()


async def test_what_is_imported_already_runs_at_once(monkeypatch):
    """Of a function that is known no thread is asked, and the job is not put off."""
    executor = executor_of(Executor.Auto)
    await end_of(executor, claimed("jobs.noop"))
    monkeypatch.setattr(threading, "Thread", None)
    run = executor.run(claimed("jobs.noop"))
    with pytest.raises(StopIteration):
        # It does not wait for anything: the first step is the last.
        run.send(None)
    await executor.close()


async def test_without_a_thread_for_the_import_the_job_goes_back(monkeypatch):
    """That is the fault of the machine; once there is one, the job runs."""
    executor = executor_of(Executor.Async)

    def none_left(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        outcome = await end_of(executor, claimed("jobs.noop"))
    assert (outcome.state, outcome.unrunnable) == (State.PENDING, True)
    assert (await end_of(executor, claimed("jobs.noop"))).state == State.SUCCEEDED
    await executor.close()


async def test_a_queue_is_reshaped_while_a_module_is_imported(chancy, module):
    """The job that waits for the import ends on the executor that it began with."""
    await chancy.declare(Queue("q", executor=Executor.Threaded))
    async with Worker(chancy):
        slow = await chancy.push("q", Job(func=f"{module(WAITS)}.plain"))
        await until(lambda: importing)
        await chancy.declare(Queue("q", executor=Executor.Auto))
        gate.set()
        assert (await slow.wait(timeout=WITHIN_S)).result == "ran"
