"""What an executor reports is looked at before it counts: what is wrong costs that run alone."""

from __future__ import annotations

import row_executors
from support import captured_events

from chancy import Job, Queue, Worker
from chancy_core.worker import misbehaving

RETURNING = Queue("odd", executor="row_executors.Returning")
BAD = ["none", "text", "another", "outcome", "raises", *row_executors.FIELDS]


async def test_a_report_that_cannot_be_recorded_costs_that_run_alone(chancy):
    """Whatever is wrong with a report, its job fails, and the error names the executor; others are recorded."""
    await chancy.declare(RETURNING)
    async with Worker(chancy):
        bad = [await chancy.push(Job("m.f", queue="odd", kwargs={"what": what})) for what in BAD]
        good = [await chancy.push(Job("m.f", queue="odd")), await chancy.push(Job("jobs.noop"))]
        for reference in good:
            assert (await reference.wait(timeout=60)).state == "succeeded"
        for what, reference in zip(BAD, bad, strict=True):
            found = await reference.wait(timeout=60)
            assert (what, found.state) == (what, "failed")
            if what != "raises":
                assert found.errors[-1].type == "InvalidReport"
                assert "The executor row_executors.Returning returned" in found.errors[-1].message


async def test_a_run_without_a_good_report_is_retried_as_any_failure(chancy):
    """With attempts left, a run whose report could not be recorded is tried again."""
    await chancy.declare(RETURNING)
    job = Job("m.f", queue="odd", kwargs={"what": "none"}, max_attempts=2)
    async with Worker(chancy):
        found = await (await chancy.push(job)).wait(timeout=60)
    assert (found.state, found.attempts, len(found.errors)) == ("failed", 2, 2)


async def test_what_can_be_mended_of_a_report_is(chancy):
    """Texts that cannot be stored are escaped, and a result that is too long is left out: the run counts."""
    await chancy.declare(RETURNING)
    async with Worker(chancy):
        note, error, result = [
            await (await chancy.push(Job("m.f", queue="odd", kwargs={"what": what}))).wait(timeout=60)
            for what in row_executors.MENDED
        ]
    assert (note.state, note.note) == ("succeeded", "a\\x00b\\ud800")
    assert (error.state, error.errors[0].type, error.errors[0].message) == ("failed", "a\\x00", "b\\x00\\ud800")
    assert (result.state, result.result) == ("succeeded", None)
    assert "and the limit is" in result.note


async def test_an_executor_whose_methods_raise_loses_no_run(chancy, until):
    """`forget`, `stop` and `close` may raise: runs end, are cancelled, and the worker stops."""
    await chancy.declare(Queue("odd", executor="row_executors.Raising"))
    with captured_events() as events:
        async with Worker(chancy) as worker:
            ends = await (await chancy.push(Job("jobs.echo", queue="odd", kwargs={"value": 1}))).wait(timeout=60)
            assert (ends.state, ends.result) == ("succeeded", 1)
            runs = await chancy.push(Job("jobs.sleep", queue="odd"))
            await until(lambda: worker.running == 1, 60)
            await runs.cancel()
            await until(lambda: worker.running == 0, 60)
            assert (await runs.wait(timeout=60)).state == "cancelled"
    assert {event["event"] for event in events} >= {"executor_failed", "executor_close_failed"}


async def test_an_executor_that_does_not_close_is_left(chancy, monkeypatch):
    """A worker stops although an executor never closes, and says so."""
    monkeypatch.setattr(misbehaving, "CLOSED_WITHIN_S", 0.2)
    await chancy.declare(Queue("odd", executor="row_executors.SlowToClose"))
    with captured_events() as events:
        async with Worker(chancy):
            pass
    assert [event["executor"] for event in events if event["event"] == "executor_close_late"] == ["SlowToClose"]


async def test_a_verdict_with_an_impossible_delay_fails_the_run(chancy):
    """A job that snoozes for no number of seconds, by a class of its own, fails; and that alone."""
    async with Worker(chancy):
        for delay in ("nan", "inf", "-1", "text"):
            found = await (await chancy.push(Job("hand_jobs.snooze_for", kwargs={"delay": delay}))).wait(timeout=60)
            assert (found.state, found.errors[0].type) == ("failed", "InvalidJob")
