"""What a worker cannot run is its own fault: the job goes back, no attempt spent, and others run it meanwhile."""

from __future__ import annotations

import importlib
import sys
import uuid

import pytest
from children import nursery
from support import WITHIN_S, captured_events

from chancy import Job, Limit, Queue, QueuedJob, State, Worker
from chancy_core.executors import Report
from chancy_core.worker import deciding, unable
from chancy_core.worker.unable import Unable


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes the module `deployed`, whose function `f` returns 1, where this process and its children find it."""
    folder = tmp_path / "deployed"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write(text: str = "def f():\n    return 1\n") -> None:
        (folder / "deployed.py").write_text(text)
        importlib.invalidate_caches()

    yield write
    sys.modules.pop("deployed", None)


async def test_one_bad_import_fails_no_job(chancy, module, until):
    """Of 300 jobs whose module does not import none has failed or spent an attempt; once it is mended, all are run."""
    module("raise ConnectionError('no such host')")
    with captured_events() as events:
        async with Worker(chancy) as worker:
            references = await chancy.push_many([Job("deployed.f", max_attempts=5)] * 300)
            good = await chancy.push(Job("jobs.echo", kwargs={"value": 1}))
            assert (await good.wait(timeout=WITHIN_S)).result == 1
            await until(lambda: worker.unable and not worker.running, WITHIN_S)

            async def untouched() -> bool:
                # Between two tries: the worker takes some of them again now and then, and hands them back.
                found = {(job.state, job.attempts, len(job.errors)) for job in await chancy.get_jobs(references)}
                assert all(errors == 0 for _, _, errors in found)
                return found == {(State.PENDING, 0, 0)}

            await until(untouched, WITHIN_S)
            (one,) = worker.unable
            assert (one.queue, one.func) == ("default", "deployed.f")
            assert "deployed raised ConnectionError: no such host" in one.problem
            module()
            finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
            assert {(job.state, job.attempts, job.result) for job in finished} == {(State.SUCCEEDED, 1, 1)}
            assert worker.unable == []
            assert worker.hindered is None
    told = [event for event in events if event["event"] == "function_left_alone"]
    assert [(event["func"], event["queue"], event["log_level"]) for event in told] == [
        ("deployed.f", "default", "error")
    ]
    assert "no such host" in told[0]["problem"]
    assert "restart the worker" in told[0]["hint"]
    assert [event["func"] for event in events if event["event"] == "function_runs_again"] == ["deployed.f"]


async def test_another_worker_runs_what_this_one_cannot(chancy, new_chancy, until):
    """In a mixed deploy the jobs of a function that one worker may not run are all run by the other one, soon."""
    async with new_chancy(functions=["jobs.echo"]) as old, Worker(old, name="old") as cannot:
        references = await chancy.push_many([Job("jobs.noop")] * 50)
        await until(lambda: cannot.unable, WITHIN_S)
        async with Worker(chancy, name="new") as can:
            finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
            assert {(job.state, job.attempts, job.worker) for job in finished} == {(State.SUCCEEDED, 1, can.name)}
            # What both can run is run by either.
            echo = await old.push(Job("jobs.echo", kwargs={"value": 1}))
            assert (await echo.wait(timeout=WITHIN_S)).result == 1


async def test_worker_processes_of_a_mixed_deploy(chancy, tmp_path, dsn, schema, until):
    """A worker process that lacks a module hands its jobs back; one that has it runs them, no attempt lost."""
    (tmp_path / "only_new.py").write_text("def f():\n    return 'new'\n")
    with nursery(tmp_path, dsn, schema) as new:
        old = new()
        old.ready()
        references = await chancy.push_many([Job("only_new.f", max_attempts=2)] * 20)
        await until(lambda: "function_left_alone" in old.said(), WITHIN_S)
        young = new(path=[str(tmp_path)])
        name = young.ready()
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        assert {(job.state, job.attempts, job.worker) for job in finished} == {(State.SUCCEEDED, 1, name)}
        assert old.alive


@pytest.mark.parametrize("executor", ["process", "threaded", "auto"])
async def test_a_module_that_is_deployed_later_is_found(chancy, module, until, executor):
    """Whatever runs the jobs, child processes included, a module that was missing is found once it is there."""
    await chancy.declare(Queue("q", executor=executor))
    limits = [Limit(Limit.Type.TIME, 60)] if executor == "process" else []
    async with Worker(chancy) as worker:
        reference = await chancy.push("q", Job("deployed.f", limits=limits))
        await until(lambda: worker.unable, WITHIN_S)
        assert "there is no module 'deployed'" in worker.unable[0].problem
        module()
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.result, job.attempts) == (State.SUCCEEDED, 1, 1)


async def test_a_job_that_nobody_can_run_fails_at_last(new_chancy, until):
    """Once it has been tried in vain for `unrunnable_for_s`, across workers, it fails, and says so."""
    job = Job("nowhere.f", max_attempts=5)
    async with new_chancy() as chancy, Worker(chancy) as first:
        reference = await chancy.push(job)
        await until(lambda: first.unable and not first.unwritten, WITHIN_S)
        await until(lambda: is_told(reference), WITHIN_S)
        since = (await reference.get()).unrunnable_since
    async with new_chancy(worker_unrunnable_for_s=0.5) as chancy:
        found = await chancy.get_job(reference)
        assert (found.state, found.unrunnable_since) == (State.PENDING, since)
        async with Worker(chancy) as second:
            found = await chancy.wait_for_job(reference, timeout=WITHIN_S)
        assert (found.state, found.worker, found.unrunnable_since) == (State.FAILED, second.name, since)
        assert [error.type for error in found.errors] == ["CannotRunHere"]
        assert "there is no module 'nowhere'" in found.errors[0].message
        assert found.note.startswith("No worker that claimed it within ")
        # Brought back, it has its time again.
        await chancy.retry_jobs([reference])
        assert (await chancy.get_job(reference)).unrunnable_since is None


async def is_told(reference) -> bool:
    return (await reference.get()).unrunnable_since is not None


async def test_a_run_makes_an_end_of_the_time(chancy, module, until):
    """A job that could not be run for a while, and then fails as others do, has its whole time again."""
    module("raise OSError('not yet')")
    async with Worker(chancy) as worker:
        reference = await chancy.push(Job("deployed.f", max_attempts=2, retry_on=("ValueError",), keep_result=False))
        await until(lambda: worker.unable and not worker.unwritten, WITHIN_S)
        await until(lambda: is_told(reference), WITHIN_S)
        module("def f():\n    raise ValueError('tries again')\n")

        async def waits() -> bool:
            return (await reference.get()).state is State.RETRYING

        await until(waits, WITHIN_S)
        job = await reference.get()
        assert (job.attempts, job.unrunnable_since) == (1, None)
        assert (job.retry_on, job.keep_result) == (("ValueError",), False)


async def test_the_status_of_a_worker_names_what_it_cannot_run(chancy, until):
    """Whoever looks at the workers sees which functions this one leaves alone, and why; also without plugins."""
    async with Worker(chancy, lease_s=1.5):
        await chancy.push(Job("nowhere.f"))

        async def said() -> bool:
            (worker,) = await chancy.get_workers()
            return bool(worker.status and worker.status.unable)

        await until(said, WITHIN_S)
        (worker,) = await chancy.get_workers()
    (one,) = worker.status.unable
    assert (one.queue, one.func) == ("default", "nowhere.f")
    assert "there is no module 'nowhere'" in one.problem
    assert one.since_s_ago >= 0


async def test_jobs_behind_are_run_with_limits_and_priorities(chancy, until):
    """Jobs that cannot be run stand in front of a queue, at each priority: those behind them are run all the same."""
    await chancy.declare(Queue("q", concurrency=2, polling_interval=60))
    async with Worker(chancy) as worker:
        for priority in (-1, 0, 1):
            await chancy.push_many([Job("nowhere.f", queue="q", priority=priority)] * 30)
        await until(lambda: worker.unable, WITHIN_S)
        behind = await chancy.push_many([Job("jobs.noop", queue="q", priority=priority) for priority in (-1, 0, 1, 2)])
        finished = await chancy.wait_for_jobs(behind, timeout=WITHIN_S)
        assert {job.state for job in finished} == {State.SUCCEEDED}
    counted = await chancy.count_jobs()
    assert counted["q"]["pending"] == 90


async def test_a_run_that_cannot_be_decided_upon_is_ended(chancy, monkeypatch):
    """Should deciding itself go wrong, the job fails with what went wrong; the log that raises changes nothing."""

    def broken(*_: object) -> None:
        raise LookupError("no such thing")

    monkeypatch.setattr(deciding, "_why_no_retry", broken)
    async with Worker(chancy) as worker:
        found = await (await chancy.push(Job("jobs.fail", max_attempts=3))).wait(timeout=WITHIN_S)
        assert (found.state, found.note) == (State.FAILED, deciding.NOT_DECIDED)
        assert [error.type for error in found.errors] == ["LookupError"]
        assert worker.running == 0


def test_a_log_that_raises_changes_no_outcome():
    """What was decided stands, whatever those do who are told of it."""

    def broken(*_: object) -> None:
        raise SystemExit(3)

    job = QueuedJob("jobs.fail", id=uuid.uuid4(), state=State.RUNNING, attempts=1, claims=1)
    report = Report.raised(ValueError("no"))
    outcome = deciding.decide(job, report, None, deciding.Policy("w", tell=broken))
    assert (outcome.state, outcome.error.type) == (State.FAILED, "ValueError")


async def test_of_very_many_functions_the_jobs_are_put_off(chancy, monkeypatch, until):
    """A claim leaves out so many functions at most: jobs of others wait for their time, and hold up nobody."""
    monkeypatch.setattr(unable, "FUNCTIONS_MAX", 3)
    async with Worker(chancy) as worker:
        references = await chancy.push_many(Job(f"nowhere.f{number}") for number in range(20))
        await until(lambda: len(worker.unable) == 3 and not worker.running and not worker.unwritten, WITHIN_S)
        assert (await (await chancy.push(Job("jobs.noop"))).wait(timeout=WITHIN_S)).state is State.SUCCEEDED

        async def put_off() -> bool:
            return sum(job.state is State.RETRYING for job in await chancy.get_jobs(references)) == 17

        await until(put_off, WITHIN_S)
        assert {job.attempts for job in await chancy.get_jobs(references)} == {0}


def test_a_function_without_jobs_is_forgotten(monkeypatch):
    """What was not tried for ten minutes is shown no longer, and begins anew."""
    now = 1000.0
    monkeypatch.setattr(unable.time, "monotonic", lambda: now)
    one = Unable("q", "w")
    for _ in range(3):
        one.found("f", "problem")
        now += one.ends_in_s()
    assert [status.func for status in one.status()] == ["f"]
    now += unable.FORGOTTEN_S
    assert one.status() == []
    one.found("g", "problem")
    assert [status.func for status in one.status()] == ["g"]
    one.found("f", "problem")
    assert one.ends_in_s() == 1


def test_the_wait_grows_once_a_try(monkeypatch):
    """A second, then two, four …, at most a minute; jobs that were claimed together count as one try."""
    now = 1000.0
    monkeypatch.setattr(unable.time, "monotonic", lambda: now)
    one = Unable("q", "w")
    rung = []
    one.changed = lambda: rung.append(one.ends_in_s())
    for _ in range(8):
        for _ in range(5):
            one.found("f", "problem")
        assert one.left_alone() == ["f"]
        assert one.problem_of("f") == "problem"
        now += one.ends_in_s()
        assert one.left_alone() is None
        assert one.problem_of("f") is None
    assert rung == [1, 2, 4, 8, 16, 32, 60, 60]
    one.runs("f")
    assert not one.faults
    one.found("f", "problem")
    assert one.ends_in_s() == 1


def test_it_is_told_with_growing_gaps(monkeypatch):
    """At once, and then after a minute, two, four …, at most an hour; with how many runs could not be begun."""
    now = 1000.0
    monkeypatch.setattr(unable.time, "monotonic", lambda: now)
    one = Unable("q", "w")
    with captured_events() as events:
        for _ in range(4 * 3600):
            one.found("f", "problem")
            now += 1
    told = [event for event in events if event["event"] == "function_left_alone"]
    assert [event["since_s"] for event in told[:7]] == [0, 60, 180, 420, 900, 1860, 3780]
    assert [event["runs"] for event in told[:4]] == [1, 60, 120, 240]
    assert told[0]["log_level"] == "error"
