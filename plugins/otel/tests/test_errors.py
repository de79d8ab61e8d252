"""How a run ended is in its span."""

from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode

from chancy import Job, Limit, Worker


@pytest.mark.parametrize("func", ["otel_jobs.fail", "otel_jobs.fail_in_a_thread"])
async def test_what_a_job_raises_is_an_error_with_its_traceback(run_one, spans, func):
    """The span's status says what went wrong, its exception event where."""
    job = await run_one(Job(func=func))
    run = spans.one("run")
    assert job.state == "failed"
    assert (run.status.status_code, run.status.description) == (StatusCode.ERROR, "ValueError: no")
    assert run.attributes["error.type"] == "ValueError"
    (event,) = run.events
    assert event.name == "exception"
    assert (event.attributes["exception.type"], event.attributes["exception.message"]) == ("ValueError", "no")
    assert func.rpartition(".")[2] in event.attributes["exception.stacktrace"]


async def test_an_exception_that_raises_when_asked_is_recorded_all_the_same(run_one, new_chancy, spans):
    """Its type is told, its span ends, and nothing counts as the plugin's failure."""
    async with new_chancy() as chancy, Worker(chancy):
        await (await chancy.push(Job(func="otel_jobs.fail_loudly"))).wait(timeout=60)
    run = spans.one("run")
    assert (run.status.status_code, run.status.description) == (StatusCode.ERROR, "LoudError")
    assert run.attributes["error.type"] == "otel_jobs.LoudError"
    assert not chancy.plugins.failures


async def test_a_run_over_its_time_limit_is_an_error_by_that_name(run_one, spans):
    """The plugin is told what the job's record says."""
    job = await run_one(Job(func="otel_jobs.hang", limits=[Limit(Limit.Type.TIME, 0.05)]))
    assert job.errors[0].type == "TimeLimitExceeded"
    run = spans.one("run")
    assert run.attributes["error.type"] == "chancy_core.errors.TimeLimitExceeded"
    assert run.status.description == f"TimeLimitExceeded: {job.errors[0].message}"


@pytest.mark.parametrize("verdict", ["snooze", "retry", "cancel"])
async def test_what_a_job_says_of_its_own_run_is_no_error(run_one, spans, verdict):
    """Snooze, Retry and Cancel are in an attribute, and change no status."""
    job = await run_one(Job(func="otel_jobs.say", kwargs={"verdict": verdict}, max_attempts=2))
    assert job.state == ("cancelled" if verdict == "cancel" else "succeeded")
    runs = spans.named("run")
    assert [run.attributes.get("messaging.chancy.verdict") for run in runs] == [verdict, None][: len(runs)]
    assert len(runs) == (1 if verdict == "cancel" else 2)
    assert all(run.status.status_code is StatusCode.UNSET and not run.events for run in runs)
    assert not any("error.type" in run.attributes for run in runs)


@pytest.mark.parametrize("func", ["otel_jobs.hang", "otel_jobs.until_stopped"])
async def test_a_run_that_somebody_cancels_was_stopped(new_chancy, spans, until, func):
    """On the loop and at a checkpoint, that is no error either."""
    async with new_chancy() as chancy, Worker(chancy):
        reference = await chancy.push(Job(func=func))
        await until(lambda: _running(reference))
        await reference.cancel()
        assert (await reference.wait(timeout=60)).state == "cancelled"
    run = spans.one("run")
    assert run.attributes["messaging.chancy.verdict"] == "stopped"
    assert (run.status.status_code, run.events) == (StatusCode.UNSET, ())


async def _running(reference) -> bool:
    return (await reference.get()).state == "running"


async def test_a_job_that_cancels_itself_unasked_has_failed(run_one, spans):
    """Only a cancellation that somebody asked for is none of the job's."""
    job = await run_one(Job(func="otel_jobs.cancel_oneself"))
    assert job.state == "failed"
    assert spans.one("run").attributes["error.type"] == "asyncio.exceptions.CancelledError"
