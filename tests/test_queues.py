"""Queues: declared, found, changed while workers run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from support import captured_events, until

from chancy import Chancy, Job, Queue, State, Worker
from chancy_core.errors import InvalidQueue, UnknownQueue

SLEEP = Job(func="jobs.sleep")
ECHO = Job(func="jobs.echo")


async def in_state(chancy: Chancy, queue: str, state: str) -> int:
    return (await chancy.count_jobs()).get(queue, {}).get(state, 0)


async def test_default_exists_and_declared_queues_are_found(chancy):
    """A default queue exists; what is declared is found as it was declared, by name and among all."""
    mail = Queue("mail", concurrency=3, tags=["gpu.*"], executor=Chancy.Executor.Async, polling_interval=2)
    assert await chancy.declare(mail) == mail
    assert await chancy.get_queue("mail") == mail
    assert [queue.name for queue in await chancy.get_all_queues()] == ["default", "mail"]
    with pytest.raises(UnknownQueue, match="Did you mean 'mail'"):
        await chancy.get_queue("mails")


async def test_declare_keeps_what_exists_unless_upsert(chancy):
    """A second declaration changes nothing, unless it says upsert; pausing is not undone by either."""
    await chancy.declare(Queue("q", concurrency=1))
    await chancy.pause_queue("q")
    assert (await chancy.declare(Queue("q", concurrency=2))).concurrency == 1
    changed = await chancy.declare(Queue("q", concurrency=2), upsert=True)
    assert (changed.concurrency, changed.state) == (2, "paused")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "x" * 101},
        {"name": "q", "concurrency": 0},
        {"name": "q", "concurrency": "2"},
        {"name": "q", "tags": ["("]},
        {"name": "q", "tags": "gpu"},
        {"name": "q", "polling_interval": 0},
    ],
)
def test_a_queue_that_cannot_be_is_refused(fields):
    """Each wrong field is refused where the queue is made, with the value."""
    with pytest.raises(InvalidQueue):
        Queue(**fields)


async def test_pause_and_resume(chancy):
    """Nothing is claimed from a paused queue, pushes go on, and resuming lets them run."""
    async with Worker(chancy):
        await chancy.pause_queue("default")
        reference = await chancy.push(ECHO)
        await chancy.declare(Queue("other"))
        await (await chancy.push("other", ECHO)).wait(timeout=20)
        assert (await reference.get()).state == State.PENDING
        await chancy.resume_queue("default")
        assert (await reference.wait(timeout=20)).state == State.SUCCEEDED


async def test_a_paused_queue_resumes_by_itself(chancy):
    """With resume_at, a queue resumes when that moment has come, and not before."""
    moment = datetime.now(UTC) + timedelta(seconds=1)
    await chancy.pause_queue("default", resume_at=moment)
    async with Worker(chancy):
        job = await (await chancy.push(ECHO)).wait(timeout=20)
    assert job.started_at >= moment
    assert (await chancy.get_queue("default")).state == "active"
    with pytest.raises(InvalidQueue, match="without a time zone"):
        await chancy.pause_queue("default", resume_at=datetime(2030, 1, 1))  # noqa: DTZ001


async def test_delete_cancels_what_does_not_run(chancy):
    """Deleting a queue cancels its waiting jobs, with a reason, and pushes to it are refused."""
    await chancy.declare(Queue("q"))
    references = await chancy.push_many("q", [ECHO] * 3)
    later = await chancy.push("q", ECHO.with_scheduled_at(datetime.now(UTC) + timedelta(hours=1)))
    assert await chancy.delete_queue("q") == 4
    for reference in [*references, later]:
        job = await reference.wait(timeout=5)
        assert job.state == State.CANCELLED
        assert "deleted" in job.note
    with pytest.raises(UnknownQueue):
        await chancy.push("q", ECHO)
    with pytest.raises(UnknownQueue):
        await chancy.delete_queue("q")
    with pytest.raises(InvalidQueue, match="cannot be deleted"):
        await chancy.delete_queue("default")


async def test_delete_can_keep_the_jobs(chancy):
    """With purge_jobs=False the jobs stay, and run once the queue is declared again."""
    await chancy.declare(Queue("q"))
    reference = await chancy.push("q", ECHO)
    assert await chancy.delete_queue("q", purge_jobs=False) == 1
    async with Worker(chancy):
        await chancy.declare(Queue("q"))
        assert (await reference.wait(timeout=20)).state == State.SUCCEEDED


# -- changes reach running workers ---------------------------------------------------------------


async def test_concurrency_changes_while_jobs_run(chancy):
    """More slots are used within seconds; fewer let the running jobs go on and start no more."""
    await chancy.declare(Queue("q", concurrency=2))
    await chancy.push_many("q", [SLEEP] * 10)

    async with Worker(chancy, grace_s=0) as worker:
        await until(lambda: _runs(chancy, 2))
        await chancy.declare(Queue("q", concurrency=5), upsert=True)
        await until(lambda: _runs(chancy, 5))
        await chancy.declare(Queue("q", concurrency=1), upsert=True)
        await until(lambda: worker.slots()["q"] == (5, 1))
        assert await in_state(chancy, "q", "running") == 5


async def _runs(chancy: Chancy, count: int) -> bool:
    return await in_state(chancy, "q", "running") == count


async def test_a_new_queue_is_served_without_a_restart(chancy):
    """A queue declared while a worker runs is served within seconds."""
    async with Worker(chancy):
        await chancy.declare(Queue("fresh"))
        assert (await (await chancy.push("fresh", ECHO)).wait(timeout=20)).state == State.SUCCEEDED


async def test_another_executor_takes_over_while_jobs_run(chancy):
    """After a change of the executor new jobs run on it, and those that ran end as they began."""
    await chancy.declare(Queue("q", executor=Chancy.Executor.Async))
    async with Worker(chancy) as worker:
        old = await chancy.push("q", Job(func="jobs.sleep", kwargs={"seconds": 1}))
        await until(lambda: worker.running == 1)
        await chancy.declare(Queue("q", executor=Chancy.Executor.Threaded), upsert=True)
        await until(lambda: worker._lanes.lanes["q"].queue.executor == Chancy.Executor.Threaded)
        new = await chancy.push("q", Job(func="jobs.add", kwargs={"a": 1, "b": 2}))
        assert (await new.wait(timeout=20)).result == 3
        assert (await old.wait(timeout=20)).result == "slept"


async def test_a_queue_with_a_broken_executor_harms_no_other(chancy):
    """An executor that does not import is told once, and the other queues are served."""
    await chancy.declare(Queue("bad", executor="nowhere.Executor"))
    await chancy.declare(Queue("odd", executor_options={"nonsense": 1}))
    with captured_events() as events:
        async with Worker(chancy):
            assert (await (await chancy.push(ECHO)).wait(timeout=20)).state == State.SUCCEEDED
    refused = {event["queue"]: event["error"] for event in events if event["event"] == "queue_not_served"}
    assert set(refused) == {"bad", "odd"}
    assert "there is no module 'nowhere'" in refused["bad"]
    assert "does not take executor_options" in refused["odd"]


async def test_tags_route_queues_to_workers(chancy):
    """A queue is served by the workers of which one tag matches one of its patterns as a whole."""
    await chancy.declare(Queue("gpu", tags=["gpu-[0-9]+"]))
    await chancy.declare(Queue("all", tags=[r"\*"]))
    async with Worker(chancy, tags={"gpu-7x", "web"}) as web, Worker(chancy, tags={"gpu-7"}) as gpu:
        assert "gpu" not in web.slots()
        assert {"gpu", "all", "default"} <= set(gpu.slots())
        assert "all" in web.slots()
        job = await (await chancy.push("gpu", ECHO)).wait(timeout=20)
        assert job.worker == gpu.name


async def test_changes_arrive_without_notifications(new_chancy):
    """With notifications off, a pause and a new queue still reach a running worker, by polling."""
    async with new_chancy(notifications=False) as chancy, Worker(chancy):
        await chancy.declare(Queue("late", polling_interval=0.1))
        reference = await chancy.push("late", ECHO)
        async with asyncio.timeout(30):
            assert (await reference.wait()).state == State.SUCCEEDED
