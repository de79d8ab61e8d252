"""Attempts, errors and results: what is kept of a run, and what happens next."""

from __future__ import annotations

import pytest

from chancy import Backoff, Job, Queue, State, Worker
from chancy_core.worker.finish import ERRORS_KEPT

QUICK = Backoff(base_s=0.001, max_s=0.01)


async def run(chancy, job):
    async with Worker(chancy):
        return await (await chancy.push(job)).wait(timeout=30)


async def test_a_failing_job_is_tried_max_attempts_times(chancy):
    """Every attempt's error is kept with type, message, traceback, time and worker."""
    job = await run(chancy, Job(func="jobs.fail", max_attempts=3, backoff=QUICK))
    assert (job.state, job.attempts) == (State.FAILED, 3)
    assert [error.attempt for error in job.errors] == [1, 2, 3]
    for error in job.errors:
        assert (error.type, error.message, error.worker) == ("ValueError", "no", job.worker)
        assert "raise ValueError(message)" in error["traceback"]
        assert error.at.tzinfo is not None


async def test_the_backoff_is_waited_out_by_the_databases_clock(chancy):
    """A retry starts no sooner than its backoff after the failure."""
    job = await run(chancy, Job(func="jobs.fail", max_attempts=2, backoff=Backoff(base_s=0.5, jitter=0)))
    assert (job.started_at - job.scheduled_at).total_seconds() >= 0
    assert (job.completed_at - job.created_at).total_seconds() >= 0.5


async def test_errors_are_bounded(chancy):
    """Long messages and tracebacks are cut, and of many errors the first and the latest are kept."""
    job = await run(
        chancy, Job(func="jobs.fail", kwargs={"message": "x" * 100_000}, max_attempts=ERRORS_KEPT + 5, backoff=QUICK)
    )
    assert len(job.errors) == ERRORS_KEPT
    assert [job.errors[0].attempt, job.errors[-1].attempt] == [1, ERRORS_KEPT + 5]
    assert all(len(error.message) <= 2000 and len(error.traceback) <= 8000 for error in job.errors)


@pytest.mark.parametrize(
    ("func", "kwargs", "says"),
    [
        ("nowhere.at.all", {}, "there is no module 'nowhere.at'"),
        ("jobs.ech", {}, "jobs has no 'ech'. Did you mean 'echo'?"),
        ("jobs.ran", {}, "jobs.ran is not callable: it is a list"),
        ("jobs.add", {"a": 1}, "it needs b, which the job's kwargs lack"),
        ("jobs.add", {"a": 1, "b": 2, "c": 3}, "it does not take c (it takes a, b)"),
        ("echo", {}, "names no module"),
        ("__main__.gone", {}, "is in the script that pushed it"),
        ("hard_jobs_broken.f", {}, "there is no module"),
    ],
)
async def test_what_no_retry_can_help_fails_at_once(chancy, func, kwargs, says):
    """A function that cannot be called fails at its first attempt, with an error that says which and why."""
    job = await run(chancy, Job(func=func, kwargs=kwargs, max_attempts=5))
    assert (job.state, job.attempts, len(job.errors)) == (State.FAILED, 1, 1)
    assert says in job.errors[0].message
    assert func in job.errors[0].message


async def test_a_module_that_raises_on_import_says_what(chancy, tmp_path, monkeypatch):
    """A module that fails while it is imported fails the job with that error, and its neighbours run."""
    (tmp_path / "explosive.py").write_text("raise RuntimeError('kaboom')")
    monkeypatch.syspath_prepend(tmp_path)
    async with Worker(chancy):
        bad = await chancy.push(Job(func="explosive.f", max_attempts=3))
        good = await chancy.push(Job(func="jobs.echo", kwargs={"value": 1}))
        job = await bad.wait(timeout=20)
        assert (await good.wait(timeout=20)).result == 1
    assert "explosive raised RuntimeError: kaboom" in job.errors[0].message


async def test_only_allowed_functions_run(new_chancy):
    """With `functions` set, what matches none of its patterns fails with a reason."""
    async with new_chancy(functions=["jobs.e*"]) as chancy, Worker(chancy):
        allowed = await (await chancy.push(Job(func="jobs.echo"))).wait(timeout=20)
        refused = await (await chancy.push(Job(func="jobs.noop", max_attempts=3))).wait(timeout=20)
    assert allowed.state == State.SUCCEEDED
    assert (refused.state, refused.attempts) == (State.FAILED, 1)
    assert "jobs.noop may not be run" in refused.errors[0].message


@pytest.mark.parametrize("value", [0, False, "", [], {}, "ünï 🐘", 2**80, 1.5, [None, {"a": [1]}]])
async def test_results_come_back(chancy, value):
    """What a function returns is kept as JSON, falsy values too."""
    job = await run(chancy, Job(func="jobs.echo", kwargs={"value": value}))
    assert job.result == value
    assert type(job.result) is type(value)
    assert job.note is None


async def test_a_result_can_be_switched_off_and_is_bounded(new_chancy):
    """keep_result=False keeps nothing; a result over the limit is dropped, and the job says so."""
    async with new_chancy(result_limit_bytes=100) as chancy, Worker(chancy):
        off = await (await chancy.push(Job(func="jobs.echo", kwargs={"value": 1}, keep_result=False))).wait(timeout=20)
        big = await (await chancy.push(Job(func="jobs.echo", kwargs={"value": "x" * 99}))).wait(timeout=20)
    assert (off.state, off.result, off.note) == (State.SUCCEEDED, None, None)
    assert (big.state, big.result) == (State.SUCCEEDED, None)
    assert "it takes 101 bytes as JSON, and the limit is 100" in big.note


@pytest.mark.parametrize("func", ["threading.Lock", "datetime.datetime.now", "os.getcwdb"])
async def test_a_result_that_is_no_json_does_not_fail_the_job(chancy, func):
    """What cannot be kept is dropped; the job has succeeded, and its note says why."""
    job = await run(chancy, Job(func=func))
    assert (job.state, job.result) == (State.SUCCEEDED, None)
    assert job.note.startswith("The result was not kept: the result is a ")


async def test_limits_that_cannot_be_enforced_are_refused(chancy):
    """A memory limit, or a time limit on a thread, fails the job at once instead of being ignored."""
    from chancy import Limit  # noqa: PLC0415

    await chancy.declare(Queue("threads", executor=chancy.Executor.Threaded))
    memory = Job(func="jobs.echo", limits=[Limit(Limit.Type.MEMORY, 10**9)], max_attempts=3)
    time = Job(func="jobs.add", kwargs={"a": 1, "b": 1}, limits=[Limit(Limit.Type.TIME, 5)], max_attempts=3)
    async with Worker(chancy):
        for reference in (await chancy.push(memory), await chancy.push("threads", time)):
            job = await reference.wait(timeout=20)
            assert (job.state, job.attempts) == (State.FAILED, 1)
            assert job.errors[0].type == "LimitNotEnforced"


async def test_a_row_written_by_hand_harms_no_other(chancy, schema):
    """A row that cannot be read fails by itself, says why, and the queue behind it runs."""
    async with chancy.pool.connection() as connection:
        for column, text in (("limits", '[{"type_": "TIME"}]'), ("options", "3"), ("kwargs", "[1]")):
            await connection.execute(
                f"INSERT INTO {schema}.jobs (id, queue, func, priority, {column}) "
                "VALUES (gen_random_uuid(), 'default', 'jobs.noop', -1, %s)",
                [text],
            )
        async with Worker(chancy):
            assert (await (await chancy.push(Job(func="jobs.echo"))).wait(timeout=20)).state == State.SUCCEEDED
        cursor = await connection.execute(f"SELECT id FROM {schema}.finished_jobs WHERE state = 'failed'")
        failed = await chancy.get_jobs([id_ for (id_,) in await cursor.fetchall()])
    assert len(failed) == 3
    assert sum("Its row cannot be read" in job.errors[0].message for job in failed if job.errors) >= 1
