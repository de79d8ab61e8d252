"""What is told of jobs that do not go well: each failed attempt by itself, everything else by its ids."""

from __future__ import annotations

import asyncio
import logging
import traceback
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from support import WITHIN_S, captured_events, until

from chancy import Backoff, Chancy, Job, Queue, State, Worker
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.raised import Raised
from chancy_core.worker.deciding import handed_back
from chancy_core.worker.reporting import IDS_MAX, exception_of, report_recorded

QUICK = Backoff(base_s=0.01, max_s=0.02)
PROCESS = Chancy.Executor.Process


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """The records of failed attempts."""
    found: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.event == "attempt_failed":
                found.append(record)

    handler = Handler()
    logging.getLogger("chancy").addHandler(handler)
    yield found
    logging.getLogger("chancy").removeHandler(handler)


async def run(chancy, job):
    async with Worker(chancy):
        return await (await chancy.push(job)).wait(timeout=WITHIN_S)


@pytest.mark.parametrize("executor", ["async", "threaded", "process"])
async def test_each_failed_attempt_is_one_event(chancy, records, executor):
    """A warning while it is tried again, an error at the end; with what one needs to find it, and its traceback."""
    await chancy.declare(Queue("q", executor=executor))
    func = "jobs.fail" if executor == "async" else "rude_jobs.fails"
    job = await run(chancy, Job(func=func, queue="q", max_attempts=3, backoff=QUICK, kwargs={"message": "no way"}))
    assert job.state == State.FAILED
    assert [record.levelname for record in records] == ["WARNING", "WARNING", "ERROR"]
    for number, record in enumerate(records, 1):
        fields = dict(record.fields)
        retry_in_s = fields.pop("retry_in_s")
        assert retry_in_s is None if number == 3 else 0 <= retry_in_s < 1
        assert fields.pop("run_s") >= 0
        assert fields == {
            "job": str(job.id),
            "func": func,
            "queue": "q",
            "attempt": number,
            "of": 3,
            "error": "ValueError: no way",
            "worker": job.errors[0].worker,
        }
        text = logging.Formatter("%(message)s").format(record)
        assert "raise ValueError(message)" in text
        assert text.rstrip().endswith("ValueError: no way")
        assert (record.exc_info[0].__name__, str(record.exc_info[1])) == ("ValueError", "no way")


async def test_a_job_that_succeeds_is_no_such_event(chancy, records):
    """Neither is one that snoozes, or is cancelled."""
    assert (await run(chancy, Job(func="jobs.noop"))).state == State.SUCCEEDED
    assert not records


async def test_why_it_is_not_tried_again_is_in_the_event(chancy, records):
    """Attempts are left, and the job gives up on this error."""
    await run(chancy, Job(func="jobs.fail", max_attempts=3, give_up_on=("ValueError",)))
    (record,) = records
    assert (record.levelname, record.fields["attempt"], record.fields["of"]) == ("ERROR", 1, 3)
    assert record.fields["note"] == "Not retried: the job gives up on ValueError."


async def test_a_child_that_dies_is_such_an_event(chancy, records):
    """There is no exception of the job, but there is an event."""
    await chancy.declare(Queue("q", executor=PROCESS))
    await run(chancy, Job(func="hostile_jobs.exits", queue="q"))
    (record,) = records
    assert record.fields["error"].startswith("ChildProcessDied: hostile_jobs.exits did not end")


def raised(**fields: Any) -> Raised:
    given = {"type": "KeyError", "message": "'a'", "traceback": "Traceback:\n  File \"x\"\nKeyError: 'a'\n", **fields}
    return Raised(**given)


def test_the_exception_of_another_process_reads_like_itself():
    """For those who look at `exc_info`, as Sentry does: a class of that name, the message, and the traceback."""
    made = exception_of(raised())
    assert (type(made).__name__, str(made)) == ("KeyError", "'a'")
    shown = "".join(traceback.format_exception(made))
    assert 'File "x"' in shown
    assert exception_of(raised(traceback="")).__cause__ is None
    assert type(exception_of(raised())) is type(made)


@pytest.mark.parametrize("name", ["", "\ud800", "a b", "x" * 2000])
def test_a_class_of_another_process_may_have_any_name(name):
    """An executor of somebody else's may tell what it likes."""
    assert str(exception_of(raised(type=name))) == "'a'"


# -- by their ids --------------------------------------------------------------------------


def queued() -> QueuedJob:
    return QueuedJob(func="a.b", id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1)


def test_of_many_jobs_several_events_name_all():
    """No event has more than fifty ids."""
    outcomes = [handed_back(queued(), "It was stopped.") for _ in range(2 * IDS_MAX + 1)]
    with captured_events() as events:
        report_recorded(outcomes)
    assert [(one["event"], one["count"], one["reason"]) for one in events] == [
        ("jobs_handed_back", count, "It was stopped.") for count in (IDS_MAX, IDS_MAX, 1)
    ]
    assert [id_ for one in events for id_ in one["jobs"]] == [str(outcome.job.id) for outcome in outcomes]


async def test_handed_back_jobs_are_told_by_their_ids(chancy):
    """Those that a worker stops at its end, once that is recorded, and why."""
    with captured_events() as events:
        async with Worker(chancy, grace_s=0) as worker:
            reference = await chancy.push(Job(func="jobs.sleep", kwargs={"seconds": 3600}))
            await until(lambda: worker.running == 1)
    told = [one for one in events if one["event"] == "jobs_handed_back"]
    assert [(one["jobs"], one["count"]) for one in told] == [([str(reference.identifier)], 1)]
    assert "handed back" in told[0]["reason"]


async def test_cancelled_and_snoozed_jobs_are_told_by_their_ids(chancy):
    """After it is recorded."""
    with captured_events() as events:
        async with Worker(chancy) as worker:
            cancelled = await chancy.push(Job(func="jobs.sleep", kwargs={"seconds": 3600}))
            await until(lambda: worker.running == 1)
            await cancelled.cancel()
            await cancelled.wait(timeout=WITHIN_S)
            snoozed = await chancy.push(Job(func="told_jobs.snoozes_for_long"))
            await until(lambda: any(one["event"] == "jobs_put_off" for one in events))
    told = {one["event"]: one["jobs"] for one in events if "jobs" in one}
    assert told["jobs_cancelled"] == [str(cancelled.identifier)]
    assert told["jobs_put_off"] == [str(snoozed.identifier)]


LOST = """
INSERT INTO {s}.jobs (id, queue, func, state, worker, attempts, claims, max_attempts, started_at)
SELECT gen_random_uuid(), 'nobodys', 'jobs.noop', 'running', 'gone', 1, 1, %s, now() FROM generate_series(1, 2)
RETURNING id::text
"""


async def test_rescued_jobs_are_told_by_their_ids(chancy, query):
    """All of them; those that have failed by it are an error as well."""
    again = {id_ for (id_,) in query(LOST, 2)}
    failed = {id_ for (id_,) in query(LOST, 1)}
    with captured_events() as events:
        async with Worker(chancy, lease_s=1):
            await until(lambda: any(one["event"] == "jobs_failed" for one in events))
    (rescued,) = (one for one in events if one["event"] == "jobs_rescued")
    assert (rescued["runnable_again"], rescued["failed"], set(rescued["jobs"])) == (2, 2, again | failed)
    (told,) = (one for one in events if one["event"] == "jobs_failed")
    assert (set(told["jobs"]), told["log_level"], told["error"]) == (failed, "error", "WorkerLost")


# -- many ----------------------------------------------------------------------------------


async def test_a_flood_of_failures_does_not_hold_the_loop(chancy, records):
    """Two thousand at once: each is told, and the lease is held all the while."""
    async with Worker(chancy, lease_s=5) as worker:
        references = await chancy.push_many([Job(func="jobs.fail")] * 2000)
        held = []

        async def watch() -> None:
            while len(records) < 2000:
                held.append(worker.lease_held)
                await asyncio.sleep(0.01)

        await asyncio.wait_for(watch(), WITHIN_S)
    assert all(held)
    assert {record.fields["job"] for record in records} == {str(one.identifier) for one in references}
