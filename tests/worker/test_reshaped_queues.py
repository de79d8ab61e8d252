"""Queues: changed while workers run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import hard_jobs
import msgspec
import pytest
from gated import ECHO
from hypothesis import given
from hypothesis import strategies as st
from support import WITHIN_S, captured_events, until

from chancy import Chancy, Job, Queue, QueuedJob, State, Worker
from chancy_core.errors import InvalidQueue, UnknownQueue
from chancy_core.executors import ExecutorSettings, Report
from chancy_core.executors.asyncio import AsyncExecutor
from chancy_core.worker import heartbeat, queues

pytestmark = pytest.mark.usefixtures("_gate")


SLEEP = Job(func="jobs.sleep")


async def in_state(chancy: Chancy, queue: str, state: str) -> int:
    return (await chancy.count_jobs()).get(queue, {}).get(state, 0)


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
        assert (await (await chancy.push("fresh", ECHO)).wait(timeout=WITHIN_S)).state == State.SUCCEEDED


async def test_another_executor_takes_over_while_jobs_run(chancy):
    """After a change of the executor new jobs run on it, and those that ran end as they began."""
    await chancy.declare(Queue("q", executor=Chancy.Executor.Async))
    async with Worker(chancy) as worker:
        old = await chancy.push("q", Job(func="jobs.sleep", kwargs={"seconds": 5}))
        await until(lambda: worker.running == 1)
        await chancy.declare(Queue("q", executor=Chancy.Executor.Threaded), upsert=True)
        await until(lambda: worker._parts.lanes.lanes["q"].queue.executor == Chancy.Executor.Threaded)
        new = await chancy.push("q", Job(func="jobs.add", kwargs={"a": 1, "b": 2}))
        assert (await new.wait(timeout=WITHIN_S)).result == 3
        assert (await old.wait(timeout=WITHIN_S)).result == "slept"


async def test_a_queue_with_a_broken_executor_harms_no_other(chancy):
    """An executor that does not import is told once, and the other queues are served."""
    await chancy.declare(Queue("bad", executor="nowhere.Executor"))
    await chancy.declare(Queue("odd", executor_options={"nonsense": 1}))
    with captured_events() as events:
        async with Worker(chancy):
            assert (await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)).state == State.SUCCEEDED
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
        job = await (await chancy.push("gpu", ECHO)).wait(timeout=WITHIN_S)
        assert job.worker == gpu.name


async def test_changes_arrive_without_notifications(new_chancy, monkeypatch):
    """With notifications off, a pause and a new queue still reach a running worker, by polling."""
    monkeypatch.setattr(heartbeat, "LOOK_UNNOTIFIED_S", 0.5)
    async with new_chancy(notifications=False) as chancy, Worker(chancy):
        # The first heartbeat looks at the queues anyway; the later ones have to see that something changed.
        for name in ("late", "later"):
            await chancy.declare(Queue(name, polling_interval=0.1))
            reference = await chancy.push(name, ECHO)
            async with asyncio.timeout(WITHIN_S):
                assert (await reference.wait()).state == State.SUCCEEDED


async def test_a_pause_lets_what_runs_end(chancy):
    """A pause reaches a running worker: its job ends, what waits stays, and a resume lets it run."""
    await chancy.declare(Queue("q", concurrency=1))
    async with Worker(chancy) as worker:
        running = await chancy.push("q", Job(func="hard_jobs.until_gate"))
        await until(lambda: worker.running == 1)
        await chancy.pause_queue("q")
        waiting = await chancy.push("q", ECHO)
        hard_jobs.gate.set()
        assert (await running.wait(timeout=WITHIN_S)).result == "let through"
        await until(lambda: "q" not in worker.slots() or worker.slots()["q"][0] == 0)
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        assert (await waiting.get()).state == State.PENDING
        await chancy.resume_queue("q")
        assert (await waiting.wait(timeout=WITHIN_S)).state == State.SUCCEEDED


async def test_a_running_worker_resumes_by_itself(chancy, monkeypatch):
    """A queue that is paused under a running worker resumes on it when its moment has come, without being told."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    async with Worker(chancy) as worker:
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        moment = datetime.now(UTC) + timedelta(seconds=5)
        await chancy.pause_queue("default", resume_at=moment)
        paused = await chancy.get_queue("default")
        assert (paused.state, paused.resume_at) == ("paused", moment)
        await until(lambda: not worker._parts.claimers.queues)
        job = await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
    assert job.started_at >= moment
    resumed = await chancy.get_queue("default")
    assert (resumed.state, resumed.resume_at) == ("active", None)


async def test_a_queue_resumes_by_the_clock_of_the_database(chancy, monkeypatch):
    """A queue resumes when its moment has come for the database, although the worker's clock is an hour behind."""

    class Behind(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(hours=1)

    monkeypatch.setattr(queues, "datetime", Behind)
    monkeypatch.setattr(queues, "RESUME_LOOK_S", 0.1)
    # So that the pause is known before it is over, and nothing else leads to another look.
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    async with Worker(chancy) as worker:
        await until(lambda: worker._parts.lanes._declarations is not None)
        await chancy.pause_queue("default", resume_at=datetime.now(UTC) + timedelta(seconds=5))
        await until(lambda: not worker._parts.claimers.queues)
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)


async def test_deleting_a_queue_leaves_its_running_jobs_alone(chancy, monkeypatch):
    """A job that runs while its queue is deleted ends as it would have, and the others are cancelled, once each."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    await chancy.declare(Queue("q", concurrency=1))
    async with Worker(chancy) as worker:
        running = await chancy.push("q", Job(func="hard_jobs.until_gate"))
        await until(lambda: worker.running == 1)
        waiting = await chancy.push_many("q", [ECHO] * 1500)
        assert await chancy.delete_queue("q") == 1500
        hard_jobs.gate.set()
        assert (await running.wait(timeout=WITHIN_S)).result == "let through"
        assert {job.state for job in await chancy.wait_for_jobs(waiting, timeout=WITHIN_S)} == {State.CANCELLED}
        await until(lambda: "q" not in worker.slots())


async def test_fewer_and_more_slots_drop_no_job(chancy):
    """While concurrency goes up and down under load, every job runs exactly once."""
    await chancy.declare(Queue("q", concurrency=3))
    references = await chancy.push_many("q", [Job(func="jobs.sleep", kwargs={"seconds": 0.01})] * 300)
    async with Worker(chancy):
        for concurrency in (1, 20, 2, 50, 1, 10):
            await chancy.declare(Queue("q", concurrency=concurrency), upsert=True)
            await asyncio.sleep(0.02)
        jobs = await chancy.wait_for_jobs(references, timeout=60)
    assert {(job.state, job.attempts, job.claims > 0) for job in jobs} == {(State.SUCCEEDED, 1, True)}


async def test_changed_tags_take_a_queue_from_one_worker_to_another(chancy, monkeypatch):
    """When its tags change, the worker that ran a queue leaves it, with its running job, and another serves it."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.1)
    await chancy.declare(Queue("q", tags=["left"]))
    async with Worker(chancy, tags=["left"]) as left, Worker(chancy, tags=["right"]) as right:
        old = await chancy.push("q", Job(func="hard_jobs.until_gate"))
        await until(lambda: left.running == 1)
        await chancy.declare(Queue("q", tags=["right"]), upsert=True)
        await until(lambda: "q" not in left._parts.claimers.queues and "q" in right._parts.claimers.queues)
        new = await chancy.push("q", ECHO)
        assert (await new.wait(timeout=WITHIN_S)).worker == right.name
        hard_jobs.gate.set()
        assert (await old.wait(timeout=WITHIN_S)).worker == left.name
        await until(lambda: "q" not in left.slots())


async def test_executor_options_reach_the_executor(chancy):
    """Options are passed to the executor, and changed ones to a new executor while the worker runs."""
    await chancy.declare(Queue("q", executor="test_reshaped_queues.Prefixing", executor_options={"prefix": "a"}))
    async with Worker(chancy) as worker:
        assert (await (await chancy.push("q", ECHO)).wait(timeout=WITHIN_S)).note == "a"
        changed = Queue("q", executor="test_reshaped_queues.Prefixing", executor_options={"prefix": "b"})
        await chancy.declare(changed, upsert=True)
        await until(lambda: worker._parts.lanes.lanes["q"].queue == changed)
        assert (await (await chancy.push("q", ECHO)).wait(timeout=WITHIN_S)).note == "b"


class Prefixing(AsyncExecutor):
    """An executor with an option."""

    def __init__(self, settings: ExecutorSettings, *, prefix: str) -> None:
        super().__init__(settings)
        self._prefix = prefix

    async def run(self, job: QueuedJob) -> Report:
        return msgspec.structs.replace(await super().run(job), note=self._prefix)


def test_queues_without_asyncio(new_chancy):
    """Every act on queues has a twin for code without an event loop, which does the same."""
    with new_chancy() as chancy:
        assert chancy.sync_declare(Queue("mail", concurrency=2)).concurrency == 2
        assert chancy.sync_declare(Queue("mail", concurrency=3)).concurrency == 2
        assert chancy.sync_declare(Queue("mail", concurrency=3), upsert=True).concurrency == 3
        moment = datetime.now(UTC) + timedelta(hours=1)
        chancy.sync_pause_queue("mail", resume_at=moment)
        paused = chancy.sync_get_queue("mail")
        assert (paused.state, paused.resume_at) == ("paused", moment)
        chancy.sync_resume_queue("mail")
        assert chancy.sync_get_queue("mail").state == "active"
        chancy.sync_push("mail", ECHO)
        assert chancy.sync_count_jobs() == {"mail": {"pending": 1}}
        assert chancy.sync_delete_queue("mail") == 1
        assert [queue.name for queue in chancy.sync_get_all_queues()] == ["default"]
        for act in (chancy.sync_get_queue, chancy.sync_pause_queue, chancy.sync_resume_queue, chancy.sync_delete_queue):
            with pytest.raises(UnknownQueue, match="'default'"):
                act("mail")
        with pytest.raises(InvalidQueue, match="without a time zone"):
            chancy.sync_pause_queue("default", resume_at=datetime(2030, 1, 1))  # noqa: DTZ001


NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,20}", fullmatch=True)


@given(NAMES, st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=4))
def test_a_plain_tag_matches_itself_and_nothing_else(name, tags):
    """A tag without special characters is served by workers with that very tag, and `.*` by all of them."""
    queue = Queue(name, tags=tags)
    assert queue.serves({"*", *tags}) is bool(tags)
    for tag in tags:
        assert Queue(name, tags=[tag]).serves({tag})
        assert not Queue(name, tags=[tag]).serves({f"{tag}x", f"x{tag}", "*"})
    assert Queue(name).serves({"*"})
