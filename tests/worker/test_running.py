"""A worker runs what it claims: where, in which order, in how many slots."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import hard_jobs
import jobs
import psycopg
import pytest
from support import WITHIN_S, until
from working import started, state_of, workers

from chancy_core.app import Chancy
from chancy_core.values.backoff import Backoff
from chancy_core.values.job import Job
from chancy_core.values.queue import Executor as Executors
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import State
from chancy_core.worker import Stopped, Worker, heartbeat

pytestmark = pytest.mark.usefixtures("_fresh")


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


async def test_a_queue_for_coroutines_refuses_plain_functions(chancy):
    """They would block its loop: they fail at once, and are not run."""
    await chancy.declare(Queue("loop", executor=Executors.Async))
    async with Worker(chancy):
        plain = await chancy.push("loop", Job.from_func(jobs.add, kwargs={"a": 1, "b": 2}, max_attempts=5))
        finished = await plain.wait(timeout=WITHIN_S)
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
