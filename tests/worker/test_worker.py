"""The worker: what it claims, how it runs it, and how it stops."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import hard_jobs
import jobs
import msgspec
import psycopg
import pytest
from children import nursery
from decided import end_of
from support import WITHIN_S, captured_events, until

from chancy_core.app import Chancy
from chancy_core.errors import DatabaseUnavailable
from chancy_core.executors import Executor, ExecutorSettings, Report, StopReason
from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.executors.functions import Functions
from chancy_core.values.backoff import Backoff
from chancy_core.values.job import Job, Limit
from chancy_core.values.queue import Executor as Executors
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import QueuedJob, State
from chancy_core.worker import Stopped, Worker, heartbeat, stopping, watchdog, worker
from chancy_core.worker.deciding import Policy
from chancy_core.worker.lane import Lane
from chancy_core.worker.queues import Lanes

AT_ONCE = Backoff(base_s=0, jitter=0)
SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    jobs.ran.clear()
    hard_jobs.raised.clear()
    hard_jobs.swallowed.clear()
    hard_jobs.gate.clear()
    hard_jobs.now_running = hard_jobs.most_running = 0
    yield
    hard_jobs.gate.set()


@pytest.fixture
def new_child(tmp_path, dsn, schema):
    with nursery(tmp_path, dsn, schema) as new:
        yield new


async def state_of(reference) -> State:
    return (await reference.get()).state


async def started(*references) -> None:
    """Wait until all of them run."""

    async def all_run() -> bool:
        return all([await state_of(reference) is State.RUNNING for reference in references])

    await until(all_run)


# -- running -------------------------------------------------------------------------------


async def test_coroutines_run_on_the_loop_and_functions_in_threads(chancy):
    """A coroutine function runs in the worker's thread, and a plain function in another."""
    async with Worker(chancy):
        on_loop = await (await chancy.push(Job.from_func(hard_jobs.thread_async))).wait(timeout=WITHIN_S)
        in_thread = await (await chancy.push(Job.from_func(hard_jobs.thread_sync))).wait(timeout=WITHIN_S)
    assert on_loop.result == threading.get_ident()
    assert in_thread.result not in (None, threading.get_ident())


async def test_functions_that_block_do_not_hold_up_coroutines(chancy):
    """While a plain function blocks its thread, coroutines on the same queue run."""
    async with Worker(chancy):
        blocked = await chancy.push(Job.from_func(hard_jobs.until_gate))
        await started(blocked)
        assert (await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)).state == "succeeded"
        assert await state_of(blocked) is State.RUNNING
        hard_jobs.gate.set()
        assert (await blocked.wait(timeout=WITHIN_S)).result == "let through"


async def test_each_executor_refuses_the_other_kind_of_function(chancy):
    """A queue for coroutines fails plain functions at once, a queue for threads coroutines, and neither runs them."""
    await chancy.declare(Queue("loop", executor=Executors.Async))
    await chancy.declare(Queue("threads", executor=Executors.Threaded))
    async with Worker(chancy):
        plain = await chancy.push("loop", Job.from_func(jobs.add, kwargs={"a": 1, "b": 2}, max_attempts=5))
        coroutine = await chancy.push("threads", Job.from_func(jobs.record, max_attempts=5))
        for reference in (plain, coroutine):
            finished = await reference.wait(timeout=WITHIN_S)
            assert (finished.state, finished.attempts, finished.errors[0].type) == ("failed", 1, "CannotRun")
    assert jobs.ran == []


async def test_tags_route_queues_to_workers(chancy):
    """A queue's patterns are matched with whole tags of a worker, and only workers that match claim from it."""
    await chancy.declare(Queue("gpu", tags=["gpu-[0-9]+"]))
    async with Worker(chancy, tags=["cpu", "gpu-x", "no-gpu-1"], name="other"):
        reference = await chancy.push("gpu", Job.from_func(jobs.noop))
        # Work that it does take, pushed later, is done: it has looked, and would have found the other.
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)
        assert await state_of(reference) is State.PENDING
        async with Worker(chancy, tags=["gpu-12"], name="right") as right:
            finished = await reference.wait(timeout=WITHIN_S)
    assert finished.worker == right.name


@pytest.mark.parametrize("func", [hard_jobs.counted, hard_jobs.counted_sync])
async def test_slots_are_filled_and_never_exceeded(chancy, func):
    """With concurrency 3, three jobs run at a time, and never a fourth, however the jobs arrive."""
    await chancy.declare(Queue("three", concurrency=3))
    async with Worker(chancy):
        many = await chancy.push_many(
            # The first three long enough to meet.
            "three",
            [Job.from_func(func, kwargs={"seconds": 0.5})] * 3
            + [Job.from_func(func, kwargs={"seconds": random.uniform(0.001, 0.02)}) for _ in range(57)],
        )
        single = [
            await chancy.push("three", Job.from_func(func, kwargs={"seconds": random.uniform(0.001, 0.02)}))
            for _ in range(30)
        ]
        finished = await chancy.wait_for_jobs([*many, *single], timeout=WITHIN_S)
    assert {job.state for job in finished} == {"succeeded"}
    assert hard_jobs.most_running == 3


async def test_a_pause_and_a_change_do_not_exceed_the_slots(chancy):
    """Pausing, resuming and declaring a queue again while it is busy starts no job beyond its concurrency."""
    await chancy.declare(Queue("busy", concurrency=4))
    async with Worker(chancy):
        references = await chancy.push_many(
            "busy", [Job.from_func(hard_jobs.counted, kwargs={"seconds": 0.01}) for _ in range(300)]
        )
        for round_ in range(10):
            await chancy.pause_queue("busy")
            await chancy.resume_queue("busy")
            await chancy.declare(Queue("busy", concurrency=4, polling_interval=1 + round_), upsert=True)
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.state for job in finished} == {"succeeded"}
    assert hard_jobs.most_running == 4


async def test_lower_priority_values_run_first_and_equals_in_the_order_of_their_push(chancy):
    """One slot runs by priority, the lowest value first, and inside a priority first in, first out."""
    await chancy.declare(Queue("one", concurrency=1))
    shuffled = random.Random(7)
    pushed = []
    for number in range(120):
        priority = shuffled.choice([-(2**31), -10, -1, 0, 1, 10, 2**31 - 1])
        pushed.append((priority, number))
    as_jobs = [Job.from_func(jobs.record, kwargs={"value": [p, n]}, priority=p) for p, n in pushed]
    references = list(await chancy.push_many("one", as_jobs[:60]))
    references += [await chancy.push("one", job) for job in as_jobs[60:]]
    async with Worker(chancy):
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert jobs.ran == [[p, n] for p, n in sorted(pushed)]


async def test_an_urgent_job_overtakes_a_backlog(chancy):
    """A job of a lower priority value runs next, although a backlog waits."""
    await chancy.declare(Queue("one", concurrency=1))
    backlog = [Job.from_func(jobs.record, kwargs={"value": n}) for n in range(200)]
    async with Worker(chancy):
        references = await chancy.push_many("one", backlog)
        await until(lambda: jobs.ran)
        urgent = await chancy.push("one", Job.from_func(jobs.record, kwargs={"value": "urgent"}, priority=-1))
        # Pushed and committed: whatever starts from here on comes after it, but for the one already claimed.
        before = len(jobs.ran)
        await chancy.wait_for_jobs([*references, urgent], timeout=WITHIN_S)
    assert jobs.ran.index("urgent") <= before + 1


# -- jobs with bad manners -----------------------------------------------------------------


@pytest.mark.parametrize("kind", hard_jobs.KINDS)
@pytest.mark.parametrize("func", [hard_jobs.raises, hard_jobs.raises_sync])
async def test_whatever_a_job_raises_is_its_own_failure(chancy, kind, func):
    """A job may raise anything at all: it is tried again, fails with that error, and the worker works on."""
    async with Worker(chancy) as running:
        job = Job.from_func(func, kwargs={"kind": kind}, max_attempts=2, backoff=AT_ONCE)
        failed = await (await chancy.push(job)).wait(timeout=WITHIN_S)
        assert (await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)).worker == running.name
    # A coroutine cannot raise StopIteration: Python makes a RuntimeError of it.
    known_as = "RuntimeError" if kind == "StopIteration" and func is hard_jobs.raises else kind
    assert (failed.state, failed.attempts) == ("failed", 2)
    assert [(error.attempt, error.type) for error in failed.errors] == [(1, known_as), (2, known_as)]
    assert hard_jobs.raised == {kind: 2}


@pytest.mark.parametrize("kind", ["SystemExit", "CancelledError", "Strange"])
async def test_a_job_that_raised_no_exception_can_still_succeed(chancy, kind):
    """After an attempt that raised a BaseException, the next one may succeed, and the error is kept."""
    async with Worker(chancy):
        job = Job.from_func(hard_jobs.raises_once, kwargs={"kind": kind}, max_attempts=2, backoff=AT_ONCE)
        finished = await (await chancy.push(job)).wait(timeout=WITHIN_S)
    assert (finished.state, finished.result, finished.attempts) == ("succeeded", "done", 2)
    assert [error.type for error in finished.errors] == [kind]


async def test_a_job_that_blocks_the_loop_keeps_its_lease(chancy, new_child):
    """A job that blocks the loop for longer than the lease stays its worker's, although others rescue."""
    await chancy.declare(Queue("mine", tags=["mine"]))
    rescuer = new_child(worker={"lease_s": 1})
    await asyncio.to_thread(rescuer.ready)
    with captured_events() as events:
        async with Worker(chancy, tags=["mine"], lease_s=5) as running:
            job = Job.from_func(hard_jobs.blocks_loop, kwargs={"seconds": 6}, max_attempts=2)
            finished = await (await chancy.push("mine", job)).wait(timeout=WITHIN_S)
    assert (finished.state, finished.attempts, finished.claims) == ("succeeded", 1, 1)
    assert finished.worker == running.name
    assert not [e for e in events if e["event"] in ("lease_lost", "outcomes_stale", "jobs_stopped")]
    assert "jobs_rescued" not in rescuer.said()


async def test_who_blocks_the_loop_is_named(chancy):
    """A job that blocks the loop is named while it does, with how long and where, and the end of it is told."""

    def blocked() -> list[dict[str, Any]]:
        # A loop that a busy machine kept waiting may be told of as well, without a job.
        return [e for e in events if e["event"] == "loop_blocked" and "job" in e]

    def let_go() -> None:
        # The loop cannot: it stands still.
        while len(blocked()) < 2 and not hard_jobs.gate.wait(0.01):
            pass
        hard_jobs.gate.set()

    with captured_events() as events:
        async with Worker(chancy):
            threading.Thread(target=let_go, daemon=True).start()
            innocent = Job.from_func(jobs.sleep, kwargs={"seconds": 0.1})
            guilty = Job.from_func(hard_jobs.blocks_until_gate)
            pushed = await chancy.push_many("default", innocent, guilty)
            await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
            await until(lambda: any(e["event"] == "loop_unblocked" for e in events))
    assert {(e["job"], e["func"]) for e in blocked()} == {(str(pushed[1].identifier), "hard_jobs.blocks_until_gate")}
    first, second = blocked()[:2]
    assert 1 <= first["blocked_s"] < second["blocked_s"]
    assert max(e["blocked_s"] for e in events if e["event"] == "loop_unblocked") >= second["blocked_s"]
    assert "hard_jobs.py" in first["where"]
    assert first["where"].endswith("in blocks_until_gate")


async def test_a_loop_that_answers_blocks_nobody(chancy, monkeypatch):
    """Jobs that wait for longer than a loop may be blocked are never named."""
    # A busy machine may keep a loop waiting for a second.
    monkeypatch.setattr(watchdog, "BLOCKED_S", 3.0)
    with captured_events() as events:
        async with Worker(chancy):
            pushed = await chancy.push_many("default", [Job.from_func(jobs.sleep, kwargs={"seconds": 4})] * 3)
            await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert not [e for e in events if e["event"] in ("loop_blocked", "loop_unblocked")]


# -- limits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("func", "limit"),
    [
        (jobs.record, Limit(Limit.Type.MEMORY, 2**30)),
        (hard_jobs.raises_sync, Limit(Limit.Type.MEMORY, 2**30)),
        (hard_jobs.raises_sync, Limit(Limit.Type.TIME, 60)),
    ],
)
async def test_a_limit_that_cannot_be_enforced_is_refused(chancy, func, limit):
    """A job whose limit its executor cannot enforce fails at the first attempt, says why, and is never run."""
    kwargs = {} if func is jobs.record else {"kind": "Strange"}
    executor = Executors.Async if func is jobs.record else Executors.Threaded
    await chancy.declare(Queue("q", executor=executor))
    async with Worker(chancy):
        job = Job.from_func(func, kwargs=kwargs, limits=[limit], max_attempts=3)
        failed = await (await chancy.push("q", job)).wait(timeout=WITHIN_S)
    assert (failed.state, failed.attempts) == ("failed", 1)
    assert [error.type for error in failed.errors] == ["LimitNotEnforced"]
    assert str(limit.type_) in failed.errors[0].message
    assert jobs.ran == []
    assert hard_jobs.raised == {}


async def test_a_time_limit_ends_a_coroutine(chancy):
    """A coroutine that runs beyond its time limit is cancelled, each attempt, and a fast one is not."""
    limits = [Limit(Limit.Type.TIME, 0.1)]
    async with Worker(chancy):
        slow = Job.from_func(jobs.sleep, limits=limits, max_attempts=2, backoff=AT_ONCE)
        failed = await (await chancy.push(slow)).wait(timeout=WITHIN_S)
        fast = Job.from_func(jobs.sleep, kwargs={"seconds": 0}, limits=[Limit(Limit.Type.TIME, WITHIN_S)])
        assert (await (await chancy.push(fast)).wait(timeout=WITHIN_S)).result == "slept"
    assert (failed.state, failed.attempts) == ("failed", 2)
    assert [error.type for error in failed.errors] == ["TimeLimitExceeded"] * 2
    assert "0.1 s" in failed.errors[0].message


# -- stopping ------------------------------------------------------------------------------


async def test_a_stop_lets_running_jobs_end(chancy):
    """Within the grace time running jobs end, nothing more is claimed, and the worker says DRAINED."""
    running = Worker(chancy, concurrency=2, grace_s=WITHIN_S)
    await running.start()
    ending = [await chancy.push(Job.from_func(hard_jobs.until_gate)) for _ in range(2)]
    await started(*ending)
    waiting = await chancy.push(Job.from_func(jobs.noop))
    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.1)
    assert not stopping.done()
    hard_jobs.gate.set()
    assert await stopping is Stopped.DRAINED
    assert [await state_of(reference) for reference in ending] == [State.SUCCEEDED] * 2
    assert await state_of(waiting) is State.PENDING


@pytest.mark.parametrize("func", [jobs.sleep, hard_jobs.until_gate])
async def test_after_the_grace_time_jobs_are_handed_back(chancy, func):
    """What has not ended within the grace time is pending again, with its attempt back and a note."""
    running = Worker(chancy, grace_s=0.1)
    await running.start()
    references = [await chancy.push(Job.from_func(func)) for _ in range(3)]
    await started(*references)
    assert await running.stop() is Stopped.HANDED_BACK
    for reference in references:
        job = await reference.get()
        assert (job.state, job.attempts, job.claims, job.worker) == ("pending", 0, 1, None)
        assert job.note == StopReason.SHUTDOWN.value
        assert job.errors == []


async def test_jobs_handed_back_run_on_the_next_worker(chancy):
    """A job with one attempt that was handed back runs to its end elsewhere: no attempt was spent."""
    first = Worker(chancy, grace_s=0)
    await first.start()
    reference = await chancy.push(Job.from_func(hard_jobs.until_gate))
    await started(reference)
    assert await first.stop() is Stopped.HANDED_BACK
    hard_jobs.gate.set()
    async with Worker(chancy) as second:
        finished = await reference.wait(timeout=WITHIN_S)
    assert (finished.state, finished.attempts, finished.claims) == ("succeeded", 1, 2)
    assert finished.worker == second.name


async def test_told_twice_it_stops_at_once(chancy):
    """A second order to stop does not wait for the grace time: jobs are handed back now."""
    running = Worker(chancy, grace_s=60)
    await running.start()
    waiting = asyncio.create_task(running.wait_for_shutdown())
    reference = await chancy.push(Job.from_func(jobs.sleep))
    await started(reference)
    running.shut_down()
    await asyncio.sleep(0.05)
    assert not waiting.done()
    running.shut_down()
    async with asyncio.timeout(WITHIN_S):
        assert await waiting is Stopped.AT_ONCE
    job = await reference.get()
    assert (job.state, job.attempts) == ("pending", 0)


async def test_a_job_that_ignores_its_cancellation_does_not_hold_up_the_stop(chancy, monkeypatch):
    """A job that swallows its cancellation is handed back all the same, and its own end changes nothing."""
    monkeypatch.setattr(stopping, "STOP_JOBS_WITHIN_S", 0.2)
    running = Worker(chancy, grace_s=0)
    await running.start()
    reference = await chancy.push(Job.from_func(hard_jobs.deaf, kwargs={"key": "a"}))
    await started(reference)
    with captured_events() as events:
        assert await running.stop() is Stopped.HANDED_BACK
    assert hard_jobs.swallowed
    assert [e["job"] for e in events if e["event"] == "job_ignores_stop"] == [str(reference)]
    job = await reference.get()
    assert (job.state, job.attempts, job.worker) == ("pending", 0, None)
    hard_jobs.gate.set()
    async with Worker(chancy):
        finished = await reference.wait(timeout=WITHIN_S)
    assert (finished.attempts, finished.claims) == (1, 2)


async def test_jobs_stopped_before_they_began_are_handed_back(chancy):
    """A job that is stopped in the very moment it was claimed is handed back, and the lane becomes idle."""
    outcomes = []

    class Catcher:
        put = staticmethod(outcomes.append)

    class Patient(Executor):
        async def run(self, job):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return Report.raised(asyncio.CancelledError())

    settings = ExecutorSettings("worker", 1, 1000, None)
    lane = Lane(Queue("q"), 1, Patient(settings), Catcher(), Policy("worker"))
    job = QueuedJob("jobs.noop", id=uuid.UUID(int=1), state=State.RUNNING, attempts=1, claims=1)
    lane.start([job])
    lane.stop(StopReason.LEASE_LOST)
    await until(lambda: outcomes)
    assert [(o.job, o.state, o.attempt_spent) for o in outcomes] == [(job, State.PENDING, False)]
    assert lane.running == 0
    async with asyncio.timeout(WITHIN_S):
        await lane.idle()


async def test_a_stop_is_for_one_run_of_a_job(chancy):
    """A run that ignored its stop does not make a later run of the same job count as stopped when that one fails."""
    executor = AsyncExecutor(ExecutorSettings("worker", 2, 1000, Functions()))
    job = QueuedJob(
        "hard_jobs.deaf_then_fails", kwargs={"key": "x"}, id=uuid.UUID(int=1), state=State.RUNNING, attempts=1, claims=1
    )
    first = asyncio.create_task(executor.run(job))
    await until(lambda: hard_jobs.raised)
    executor.stop(job, first, StopReason.LEASE_LOST)
    await until(lambda: hard_jobs.swallowed)
    later = msgspec.structs.replace(job, claims=2)
    outcome = await end_of(executor, later)
    assert (outcome.state, outcome.error.type) == (State.FAILED, "ValueError")
    hard_jobs.gate.set()
    assert (await first).error is None


async def test_a_thread_that_was_given_up_takes_no_slot(chancy):
    """When a lease was lost, threads that still run do not keep the jobs that are claimed next from starting."""
    await chancy.declare(Queue("one", concurrency=1, executor=Executors.Threaded))
    async with Worker(chancy) as running:
        reference = await chancy.push("one", Job.from_func(hard_jobs.until_gate_counted))
        await until(lambda: hard_jobs.now_running == 1)
        running._parts.lost()
        await until(lambda: hard_jobs.now_running == 2)
        hard_jobs.gate.set()
        finished = await reference.wait(timeout=WITHIN_S)
    assert (finished.state, finished.attempts, finished.claims) == ("succeeded", 1, 2)


async def test_a_stop_waits_for_a_claim_in_flight(chancy):
    """However early it is stopped, a worker leaves no job in its own name behind."""
    for delay_s in (0, 0.001, 0.002, 0.005, 0.01, 0.02):
        running = Worker(chancy, grace_s=0)
        await chancy.push_many([Job.from_func(jobs.sleep) for _ in range(50)])
        await running.start()
        await asyncio.sleep(delay_s)
        await running.stop()
        async with chancy.pool.connection() as connection:
            cursor = await connection.execute(
                f"SELECT count(*) FROM {chancy.settings.schema}.jobs WHERE state <> 'pending' OR attempts > 0"
            )
            assert (await cursor.fetchone()) == (0,)


async def test_a_stop_in_a_burst_of_short_jobs_loses_none(chancy):
    """Stopped while jobs come and go in a burst, a worker ends those that began and hands back the others unspent."""
    number = 10_000
    running = Worker(chancy, concurrency=5)
    await chancy.push_many([Job.from_func(jobs.noop)] * number)
    await running.start()

    async def ended() -> int:
        async with chancy.pool.connection() as connection:
            cursor = await connection.execute(f"SELECT count(*) FROM {chancy.settings.schema}.finished_jobs")
            return (await cursor.fetchone())[0]

    await until(ended)
    assert await running.stop() is Stopped.DRAINED
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(
            f"SELECT count(*), coalesce(sum(attempts), 0) FROM {chancy.settings.schema}.jobs WHERE state = 'pending'"
        )
        left, attempts = await cursor.fetchone()
    assert left > 0
    assert (await ended() + left, attempts) == (number, 0)


async def test_a_stop_is_done_once(chancy):
    """Stopping twice, and leaving the block after a stop, is as good as stopping once."""
    async with Worker(chancy, grace_s=0) as running:
        await started(await chancy.push(Job.from_func(jobs.sleep)))
        assert await running.stop() is Stopped.HANDED_BACK
        assert await running.stop() is Stopped.HANDED_BACK


async def test_a_stopped_worker_leaves_no_trace(chancy):
    """After a stop there is no worker's row, no connection of its own, and no task."""
    before = asyncio.all_tasks()
    async with Worker(chancy) as running:
        await (await chancy.push(Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)
        assert await workers(chancy) == [running.name]
    assert await workers(chancy) == []
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    # The application's own waiter may be about to end.
    assert not [task for task in left if not task.get_name().startswith("chancy.wait")]
    assert not [t for t in threading.enumerate() if t.name == "chancy-standby" and t.is_alive()]


async def workers(chancy) -> list[str]:
    async with chancy.pool.connection() as connection:
        cursor = await connection.execute(f"SELECT worker FROM {chancy.settings.schema}.workers ORDER BY worker")
        return [row[0] for row in await cursor.fetchall()]


async def test_a_worker_that_cannot_start_leaves_nothing_behind(chancy, monkeypatch):
    """If the start fails half-way, the error is raised, and neither a lease nor a thread stays."""

    async def broken(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(worker, "START_WITHIN_S", 0.0)
    monkeypatch.setattr(Lanes, "follow", broken)
    with pytest.raises(DatabaseUnavailable, match="gone"):
        async with Worker(chancy, lease_s=1):
            pass
    assert not [t for t in threading.enumerate() if t.name == "chancy-standby" and t.is_alive()]
    assert await workers(chancy) == []


# -- signals -------------------------------------------------------------------------------


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


# -- several workers -----------------------------------------------------------------------


async def test_two_workers_of_one_name_are_two_workers(chancy):
    """Two workers started under one name both work, and neither takes or loses the other's jobs."""
    async with Worker(chancy, name="twin", concurrency=1) as a, Worker(chancy, name="twin", concurrency=1) as b:
        assert a.name != b.name
        assert a.name.startswith("twin.")
        references = [await chancy.push(Job.from_func(hard_jobs.until_gate)) for _ in range(2)]
        await started(*references)
        assert await workers(chancy) == sorted([a.name, b.name])
        hard_jobs.gate.set()
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert {job.worker for job in finished} == {a.name, b.name}
    assert {job.attempts for job in finished} == {1}


async def test_a_worker_restarted_under_its_name_finds_its_jobs(chancy, new_child, tmp_path):
    """The jobs of a worker that was killed run again when it is started under the same name."""
    child = new_child(worker={"name": "fixed", "lease_s": 2})
    child.ready()
    door = tmp_path / "door"
    job = Job.from_func(hard_jobs.until_exists, kwargs={"path": str(door)}, max_attempts=2)
    reference = await chancy.push(job)
    await started(reference)
    child.send(signal.SIGKILL)
    child.wait()
    door.touch()
    async with Worker(chancy, name="fixed", lease_s=2) as again:
        finished = await reference.wait(timeout=WITHIN_S)
        await until(lambda: _only(chancy, again.name))
    assert (finished.state, finished.attempts, finished.worker) == ("succeeded", 2, again.name)
    assert [(e.type, e.attempt, e.worker) for e in finished.errors] == [("WorkerLost", 1, child.name)]


async def _only(chancy: Chancy, name: str) -> bool:
    return await workers(chancy) == [name]


# -- what no notification tells of -------------------------------------------------------------


async def test_the_heartbeat_finds_what_no_notification_told_of(new_chancy):
    """An idle worker that is notified finds what a silent application pushes, schedules, declares, and cancels."""
    async with new_chancy() as chancy, new_chancy(notifications=False) as silent:
        # Nobody polls within the test.
        await chancy.declare(Queue("q", polling_interval=600))
        async with Worker(chancy, lease_s=1):
            await (await chancy.push("q", Job.from_func(jobs.noop))).wait(timeout=WITHIN_S)
            pushed = await silent.push("q", Job.from_func(jobs.noop))
            assert (await pushed.wait(timeout=WITHIN_S)).state == "succeeded"
            due = datetime.now(UTC) + timedelta(seconds=0.2)
            scheduled = await silent.push("q", Job.from_func(jobs.noop, scheduled_at=due))
            assert (await scheduled.wait(timeout=WITHIN_S)).started_at >= due
            await silent.declare(Queue("new", polling_interval=600))
            declared = await silent.push("new", Job.from_func(jobs.sleep, kwargs={"seconds": 60}))
            await started(declared)
            await silent.cancel_job(declared)
            assert (await declared.wait(timeout=WITHIN_S)).state == "cancelled"


# -- without notifications, and behind a pooler --------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"notifications": False}, {"pooler": True}, {"pooler": True, "notifications": True}]
)
async def test_everything_works_without_notifications_and_behind_a_pooler(
    new_chancy: Callable[..., Chancy], dsn, settings: dict[str, Any], monkeypatch
):
    """Pushes, retries, scheduled and handed-back jobs all run by polling, and not one notification is sent."""
    monkeypatch.setattr(heartbeat, "LOOK_UNNOTIFIED_S", 0.1)
    silent = settings.get("notifications") is not True
    async with new_chancy(**settings) as chancy:
        await chancy.migrate()
        await chancy.declare(Queue("q", polling_interval=0.1))
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as listener:
            await listener.execute(f'LISTEN "{chancy.store.channel}"')
            async with Worker(chancy, lease_s=3):
                await chancy.declare(Queue("q", polling_interval=0.1, concurrency=10), upsert=True)
                due = datetime.now(UTC) + timedelta(seconds=0.5)
                single = [await chancy.push("q", Job.from_func(jobs.record, kwargs={"value": n})) for n in range(5)]
                many = await chancy.push_many("q", [Job.from_func(jobs.record, kwargs={"value": 9})] * 20)
                later = await chancy.push("q", Job.from_func(jobs.echo, scheduled_at=due, kwargs={"value": "later"}))
                failing = await chancy.push(
                    "q", Job.from_func(jobs.fail, max_attempts=3, backoff=Backoff(base_s=0.05, factor=1))
                )
                finished = await chancy.wait_for_jobs([*single, *many, later], timeout=WITHIN_S)
                failed = await failing.wait(timeout=WITHIN_S)
            handed = Worker(chancy, grace_s=0)
            await handed.start()
            back = await chancy.push("q", Job.from_func(hard_jobs.until_gate))
            await started(back)
            assert await handed.stop() is Stopped.HANDED_BACK
            hard_jobs.gate.set()
            async with Worker(chancy):
                assert (await back.wait(timeout=WITHIN_S)).attempts == 1
            heard = [n.payload async for n in listener.notifies(timeout=0.1)]
    assert {job.state for job in finished} == {"succeeded"}
    assert finished[-1].started_at >= due
    assert (failed.state, failed.attempts, len(failed.errors)) == ("failed", 3, 3)
    assert len(jobs.ran) == 25
    assert (heard == []) is silent


async def test_a_lost_notification_is_made_up_for_by_polling(chancy):
    """A job of which nobody was told is found when the queue's polling interval is over."""
    await chancy.declare(Queue("quiet", polling_interval=0.2))
    async with Worker(chancy):
        await until(lambda: True)
        async with new_silent(chancy) as silent:
            reference = await silent.push("quiet", Job.from_func(jobs.noop))
        assert (await reference_of(chancy, reference).wait(timeout=WITHIN_S)).state == "succeeded"


def new_silent(chancy: Chancy) -> Chancy:
    return Chancy(chancy.dsn, schema=chancy.settings.schema, discover=False, notifications=False)


def reference_of(chancy: Chancy, reference):
    return chancy.reference(str(reference))
