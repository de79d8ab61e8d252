"""A job may know of its own run: which attempt it is, when it has to be done; and it may tell how far it is."""

from __future__ import annotations

import logging

import pytest
import told_jobs
from support import WITHIN_S, until

from chancy import Backoff, Job, Limit, Plugin, Queue, QueuedJob, Worker, hookimpl
from chancy_core.errors import InvalidJob
from chancy_core.executors.control import Control

QUICK = Backoff.fixed(0.001)


@pytest.fixture(autouse=True)
def _fresh():
    told_jobs.go_on.clear()
    told_jobs.seen.clear()
    yield
    told_jobs.go_on.set()


async def run(chancy, job, **kwargs):
    async with Worker(chancy):
        return await (await chancy.push(Job(func=f"told_jobs.{job}", **kwargs))).wait(timeout=WITHIN_S)


@pytest.mark.parametrize("func", ["told", "told_sync", "told_as_queued", "told_hidden", "told_maybe"])
async def test_a_parameter_of_that_type_receives_the_context(chancy, func):
    """Keyword-only, annotated QueuedJob or JobContext, under postponed annotations too."""
    job = await run(chancy, func, kwargs={"value": 1})
    assert job.result == {
        "id": str(job.id),
        "attempt": 1,
        "queue": "default",
        "kwargs": {"value": 1},
        "deadline": False,
        "queued": True,
    }


@pytest.mark.parametrize("seconds", [60, 2.0**53])
async def test_the_context_knows_its_deadline(chancy, seconds):
    """With a time limit, however long, there is a moment by which the run has to be over."""
    job = await run(chancy, "told", kwargs={"value": 1}, limits=[Limit(Limit.Type.TIME, seconds)])
    assert job.result["deadline"] is True


@pytest.mark.parametrize(
    ("func", "kwargs", "says"),
    [
        ("by_position", {}, "it needs context, which the job's kwargs lack"),
        ("told", {"value": 1, "context": 2}, "its parameter context receives the run's JobContext, and no kwarg may"),
        ("told", {"value": 1, "other": 2}, "it does not take other. Known: 'value'"),
    ],
)
async def test_arguments_are_checked_beside_the_context(chancy, func, kwargs, says):
    """What the kwargs lack or have too many of is told as for any function; the context's name is not for them."""
    job = await run(chancy, func, kwargs=kwargs)
    assert job.state == "failed"
    assert says in job.errors[0].message


@pytest.mark.parametrize(
    ("how", "state", "runs"), [("succeed", "succeeded", 1), ("fail", "failed", 2), ("snooze", "succeeded", 2)]
)
async def test_what_a_run_puts_into_meta_is_kept(chancy, how, state, runs):
    """The next attempt finds it, and so does whoever looks at the finished job, however the run ended."""
    job = await run(chancy, "changes_meta", kwargs={"how": how}, meta={"mine": True}, max_attempts=2, backoff=QUICK)
    assert (job.state, job.meta) == (state, {"mine": True, "runs": runs})


async def test_meta_that_is_no_json_is_left_out_and_told(chancy):
    """The job has succeeded all the same, with the meta it had."""
    job = await run(chancy, "changes_meta", kwargs={"how": "bad"}, meta={"mine": True})
    assert (job.state, job.result, job.meta) == ("succeeded", 1, {"mine": True})
    assert "meta['object'] is a object" in job.note


@pytest.mark.parametrize("executor", ["threaded", "process"])
@pytest.mark.parametrize(
    ("how", "says"),
    [("unspeakable", "LookupError"), ("garbled", r"garbled \ud800"), ("large", "the limit is 1,048,576")],
)
async def test_meta_of_any_kind_fails_no_job(chancy, executor, how, says):
    """What cannot be shown, stored or is too large is left out and told; the result is kept."""
    await chancy.declare(Queue("q", executor=executor))
    job = await run(chancy, "changes_meta", queue="q", kwargs={"how": how}, meta={"mine": True})
    assert (job.state, job.result, job.meta) == ("succeeded", 1, {"mine": True})
    assert says in job.note


@pytest.mark.parametrize("executor", ["threaded", "process"])
async def test_plugins_see_the_job_as_it_was_claimed(new_chancy, executor):
    """An outcome's job is the same whether the function knows of its run or not."""
    seen = []

    class Sees(Plugin):
        name = "sees"

        @hookimpl
        def on_recorded(self, outcomes):
            seen.extend(outcomes)

    async with new_chancy(plugins=[Sees()]) as chancy:
        await chancy.declare(Queue("q", executor=executor))
        await run(chancy, "changes_meta", queue="q", kwargs={"how": "succeed"}, meta={"mine": True})
    (outcome,) = seen
    assert type(outcome.job) is QueuedJob
    assert (outcome.job.meta, outcome.job.progress) == ({"mine": True}, None)
    assert outcome.meta == b'{"mine":true,"runs":1}'


@pytest.mark.parametrize("notifications", [True, False])
async def test_progress_is_seen_while_it_runs_and_kept(new_chancy, notifications):
    """`get` shows the latest progress of a running job; the finished one has its last that was stored."""
    async with new_chancy(notifications=notifications) as chancy, Worker(chancy):
        await chancy.declare(Queue("quick", polling_interval=0.1))
        reference = await chancy.push("quick", Job(func="told_jobs.progresses"))

        async def seen():
            job = await reference.get()
            return job.progress is not None

        await until(seen)
        job = await reference.get()
        assert (job.state, job.progress.fraction, job.progress.note) == ("running", 0.4, "parsed")
        told_jobs.go_on.set()
        job = await reference.wait(timeout=WITHIN_S)
        assert job.state == "succeeded"
        # It had said 1 at its end, or that was lost.
        assert job.progress.fraction == 1
        assert job.run_s > 0


@pytest.mark.parametrize(("stored", "note"), [('{"fraction": 0.4, "note": "parsed"}', "parsed"), (None, None)])
async def test_the_progress_of_a_succeeded_job_is_complete(chancy, query, stored, note):
    """Whatever it had said, and without having said anything: a bar that stops at 40 % looks like a job that hangs."""
    job = await run(chancy, "logs")
    query("UPDATE {s}.finished_jobs SET progress = %s::json", stored)
    job = await chancy.get_job(chancy.reference(str(job.id)))
    assert (job.state, job.progress.fraction, job.progress.note) == ("succeeded", 1, note)


async def test_the_progress_of_a_failed_job_is_what_it_said(chancy, query):
    """It got as far as that."""
    job = await run(chancy, "progresses_wrongly")
    query("""UPDATE {s}.finished_jobs SET progress = '{"fraction": 0.4, "note": "parsed"}'""")
    job = await chancy.get_job(chancy.reference(str(job.id)))
    assert (job.state, job.progress.fraction) == ("failed", 0.4)


async def test_progress_out_of_range_is_an_error_of_the_job(chancy):
    """It says what would be right."""
    job = await run(chancy, "progresses_wrongly")
    assert "progress is 7: give a number from 0 to 1" in job.errors[0].message


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan"), float("inf"), 10**400, True, "1", None])
def test_wrong_fractions_are_refused(fraction):
    """Whatever is no number from 0 to 1."""
    with pytest.raises(InvalidJob, match="give a number from 0 to 1"):
        Control().progress(fraction)


async def test_the_contexts_logger_names_the_job(chancy, capsys, caplog):
    """Whatever structlog is configured to write has the job's id, function and attempt."""
    with caplog.at_level(logging.INFO):
        job = await run(chancy, "logs")
    written = capsys.readouterr().out + caplog.text
    assert str(job.id) in written
    assert "told_jobs.logs" in written
