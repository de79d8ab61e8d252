"""Queues: declared, found, paused, deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from gated import ECHO
from support import WITHIN_S

from chancy import Chancy, Queue, State, Worker
from chancy_core.errors import InvalidQueue, UnknownQueue
from chancy_core.worker import heartbeat

pytestmark = pytest.mark.usefixtures("_gate")


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
        await (await chancy.push("other", ECHO)).wait(timeout=WITHIN_S)
        assert (await reference.get()).state == State.PENDING
        await chancy.resume_queue("default")
        assert (await reference.wait(timeout=WITHIN_S)).state == State.SUCCEEDED


async def test_a_paused_queue_resumes_by_itself(chancy, monkeypatch):
    """With resume_at, a queue resumes when that moment has come, and not before."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    moment = datetime.now(UTC) + timedelta(seconds=1)
    await chancy.pause_queue("default", resume_at=moment)
    async with Worker(chancy):
        job = await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
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
        job = await reference.wait(timeout=60)
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
        assert (await reference.wait(timeout=WITHIN_S)).state == State.SUCCEEDED
