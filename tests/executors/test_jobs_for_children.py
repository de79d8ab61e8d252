"""A job arrives in a child as its worker has it, however it travels."""

from __future__ import annotations

import contextvars
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import hostile_jobs
import pytest
from processing import MIB, queued, settings
from support import WITHIN_S, until

from chancy import Backoff, Limit
from chancy_core.executors import StopReason, memory
from chancy_core.executors.process import ProcessExecutor
from chancy_core.executors.processes.frames import RunJob, decode_job, encode_job
from chancy_core.values.queuedjob import JobError, Progress, QueuedJob, State
from chancy_core.worker import pace

NOW = datetime(2024, 2, 29, 12, 30, 15, 123456, UTC)
ERROR = JobError(attempt=1, type="ValueError", message="it\x00", traceback="…", at=NOW, worker="w")


class Ours(QueuedJob, frozen=True, kw_only=True):
    """A plugin's own kind of job."""

    more: str = ""


def job(**fields):
    return QueuedJob(
        **{
            "func": "a.b",
            "id": uuid.uuid4(),
            "state": State.RUNNING,
            "attempts": 2,
            "claims": 3,
            "created_at": NOW,
            "started_at": NOW + timedelta(seconds=1),
            **fields,
        }
    )


JOBS = {
    "bare": job(),
    "full": job(
        kwargs={"n": 1},
        meta={"of": "it"},
        queue="q",
        priority=-5,
        max_attempts=9,
        scheduled_at=NOW,
        limits=[Limit(Limit.Type.TIME, 5), Limit(Limit.Type.MEMORY, 2**40)],
        unique_key="key",
        backoff=Backoff.linear(1, 2),
        keep_result=False,
        expires_at=NOW,
        retry_on=("ValueError",),
        give_up_on=("KeyError",),
        unique_while="waiting",
        json="typed",
        errors=[ERROR, ERROR],
        worker="w",
        note="a note",
        progress=Progress(0.5, "half"),
        unrunnable_since=NOW,
        exact=True,
    ),
    "any type": job(
        kwargs={"s": {1, 2}, "t": (1, (2,)), "d": Decimal("1.10"), "at": NOW.astimezone(ZoneInfo("Asia/Kolkata"))}
    ),
    "any meta": job(meta={"tuple": (1,), "bytes": b"\xff"}),
    "large numbers": job(kwargs={"n": 2**4000, "m": -(2**70), "f": float("inf")}),
    "half a character": job(kwargs={"text": "\ud800"}),
    "odd places": job(note=Decimal(1), unique_key=object),
    "odd text": job(note="\ud800"),
    "odd time": job(scheduled_at=datetime(1890, 1, 1, tzinfo=timezone(timedelta(minutes=53, seconds=28)))),
    "a subclass": Ours(func="a.b", id=uuid.uuid4(), state=State.RUNNING, more="this"),
}


@pytest.mark.parametrize("what", JOBS)
def test_a_job_arrives_as_it_is(what):
    """Whatever a plugin has put into it: what is no JSON is not made into what is."""
    sent = JOBS[what]
    found = decode_job(RunJob(1, *encode_job(sent)))
    assert type(found) is type(sent)
    assert found == sent
    assert found.kwargs == sent.kwargs
    assert [type(value) for value in found.kwargs.values()] == [type(value) for value in sent.kwargs.values()]
    assert [type(value) for value in found.meta.values()] == [type(value) for value in sent.meta.values()]


def test_what_a_worker_claims_is_not_pickled_as_a_whole():
    """That takes ten times as long, for each job."""
    whole = {what for what, sent in JOBS.items() if not encode_job(sent)[0]}
    assert whole <= {"odd places", "odd text", "odd time", "a subclass"}


class Taken:
    """How jobs ended that a process executor took."""

    def __init__(self):
        self.reports = {}

    def ended(self, pairs):
        for one, report in pairs:
            assert one.id not in self.reports
            self.reports[one.id] = report

    def take(self, executor, *jobs):
        for one in jobs:
            assert executor.take(one, contextvars.copy_context(), self.ended)
        executor.wake()

    async def all_ended(self, *jobs):
        await until(lambda: all(one.id in self.reports for one in jobs), WITHIN_S)


async def test_of_two_children_the_one_that_dies_takes_its_own_job_along(new_executor):
    """The job beside it goes on, and the next one has another child."""
    executor: ProcessExecutor = new_executor()
    taken = Taken()
    dies, goes_on = queued(hostile_jobs.exits), queued(hostile_jobs.sleeps, seconds=0.5)
    taken.take(executor, goes_on, dies)
    await taken.all_ended(dies, goes_on)
    assert taken.reports[dies.id].error.type == "ChildProcessDied"
    assert taken.reports[goes_on.id].error is None
    after = queued(hostile_jobs.pid)
    taken.take(executor, after)
    await taken.all_ended(after)
    assert taken.reports[after.id].error is None


async def test_a_job_in_a_child_that_heeds_nothing_is_killed_when_it_is_stopped(new_executor):
    """After its grace; and the executor serves the next one."""
    executor: ProcessExecutor = new_executor(grace_s=0.1)
    taken = Taken()
    hangs = queued(hostile_jobs.sleeps, seconds=3600)
    taken.take(executor, hangs)
    executor.stop_taken(hangs, StopReason.SHUTDOWN)
    await taken.all_ended(hangs)
    assert taken.reports[hangs.id].error.type == "ChildProcessDied"
    after = queued(hostile_jobs.pid)
    taken.take(executor, after)
    await taken.all_ended(after)


async def test_jobs_with_limits_are_left_to_a_task():
    """They are watched, and may have to wait for a child of their own."""
    executor = ProcessExecutor(settings())
    limited = queued(hostile_jobs.pid, Limit(Limit.Type.TIME, 60))
    assert not executor.take(limited, None, print)
    await executor.close()


def test_the_peak_of_a_job_is_its_own():
    """After one that held much, the next is told what it held itself."""
    own = memory.OwnPeak()
    before = own.rss_bytes()
    own.restart()
    much = bytearray(200 * MIB)
    much[:] = b"x" * len(much)
    assert own.read() > before + 150 * MIB
    del much
    own.rss_bytes()
    own.restart()
    if memory.LINUX:
        assert own.read() < before + 100 * MIB


def test_a_job_that_closes_descriptors_ends_no_child(monkeypatch):
    """What it holds is then asked for by its number."""
    own = memory.OwnPeak()
    for name in ("_statm", "_clear", "_status"):
        monkeypatch.setattr(own, name, 9999)
    own.restart()
    assert own.rss_bytes() > 0
    assert own.read() > 0


def test_few_slots_claim_a_fair_number_ahead(monkeypatch):
    """Two slots would claim ten at a time otherwise; one never claims ahead."""
    now = 0.0
    monkeypatch.setattr(pace.time, "monotonic", lambda: now)
    lane_pace = pace.Pace()
    for _ in range(2):
        for _ in range(10_000):
            lane_pace.ended(0.0)
        now += pace.AHEAD_S
        # It goes by two spans.
        lane_pace.ahead(2)
    assert [lane_pace.ahead(slots) for slots in (1, 2, 4, 5, 6, 100)] == [0, 32, 32, 32, 40, 99 * 8]
