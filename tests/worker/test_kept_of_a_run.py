"""What is kept of a run: errors and results; and how the function is found."""

from __future__ import annotations

from functools import partial

import hard_jobs
import pytest
from retried import QUICK, has_failed, run
from support import WITHIN_S, until

from chancy import Backoff, Job, State, Worker


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nul", "a\\x00b"),
        ("surrogate", "a\\ud800b"),
        ("long", "é" * 1998 + " …"),
        ("raises", "(its message could not be made: ZeroDivisionError)"),
    ],
)
async def test_an_error_with_bad_text_is_kept_without_what_is_bad(chancy, kind, message):
    """An exception's text may be anything at all: it is kept, escaped and cut, and the job is tried again."""
    job = await run(chancy, Job(func="jobs.fail_with", kwargs={"kind": kind}, max_attempts=2, backoff=QUICK))
    assert (job.state, job.attempts) == (State.FAILED, 2)
    assert [(error.type, error.message) for error in job.errors] == [("BadText", message)] * 2
    assert all(0 < len(error.traceback) <= 8000 for error in job.errors)


async def test_of_a_long_traceback_the_end_is_kept(chancy):
    """Of a traceback with many causes the last lines are kept, where the reason is."""
    job = await run(chancy, Job(func="jobs.fail_deep", kwargs={"depth": 50}))
    (error,) = job.errors
    assert error.message == "depth 50"
    assert error.traceback.startswith("… ")
    assert error.traceback.endswith("ValueError: depth 50\n")
    assert len(error.traceback) == 8000


async def test_errors_name_the_worker_of_each_attempt(chancy):
    """A job that fails on one worker and again on another keeps who and when, for each."""
    job = Job(func="jobs.fail", max_attempts=2, backoff=Backoff(base_s=0.2, jitter=0))
    reference = await chancy.push(job)
    names = []
    for _ in range(2):
        async with Worker(chancy) as worker:
            names.append(worker.name)
            await until(partial(has_failed, reference, len(names)))
    failed = await reference.get()
    assert [error.worker for error in failed.errors] == names
    assert failed.errors[0].at < failed.errors[1].at
    with pytest.raises(KeyError, match="nonsense"):
        failed.errors[0]["nonsense"]


async def test_what_can_be_called_by_name_is_a_job(chancy):
    """Functions, those in classes, callable objects, and any of the standard library that takes names."""
    cases = [
        ("jobs.takes_any", {"b": 2, "c": 3}, 6),
        ("jobs.add", {"a": 1, "b": 2}, 3),
        ("jobs:add", {"a": 1, "b": 2}, 3),
        ("jobs.Calls.static", {"a": 4}, 4),
        ("jobs.Calls.of_class", {"a": 4}, "Calls 4"),
        ("jobs.called", {"a": 4}, -4),
        ("jobs.called.later", {"a": 4}, 8),
        ("os.path.basename", {"p": "/a/b"}, "b"),
    ]
    async with Worker(chancy):
        references = await chancy.push_many(Job(func=func, kwargs=kwargs) for func, kwargs, _ in cases)
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert [(job.func, job.state, job.result) for job in finished] == [
        (func, State.SUCCEEDED, result) for func, _, result in cases
    ]


async def test_arguments_that_do_not_fit_fail_at_once(chancy):
    """Its error names the part that is wrong, at the first attempt: no worker and no retry could help."""
    cases = [
        ("jobs.by_position", {"a": 1}, "can only be given by position (a)"),
        ("jobs.echo", {"valeu": 1}, "it does not take valeu. Did you mean 'value'?"),
        ("jobs.add", {}, "it needs a, b"),
        ("jobs.add", {"a": 1, "c": 2}, "it needs b, which the job's kwargs lack; it does not take c"),
    ]
    async with Worker(chancy):
        references = await chancy.push_many(
            Job(func=func, kwargs=kwargs, max_attempts=5, backoff=QUICK) for func, kwargs, _ in cases
        )
        finished = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    for job, (_, _, says) in zip(finished, cases, strict=True):
        assert (job.state, job.attempts, len(job.errors)) == (State.FAILED, 1, 1)
        assert job.errors[0].type == "CannotRun"
        assert says in job.errors[0].message
        assert job.note == "Not retried: no retry could help."


async def test_what_is_not_here_says_which_part(chancy, until):
    """A function that this worker does not have is left to others, and the worker says what of it is missing."""
    cases = {
        "nowhere.at.all": "there is no module 'nowhere.at'",
        "jobs.ech": "jobs has no 'ech'. Did you mean 'echo'?",
        "jobs.ran": "jobs.ran is not callable: it is a list",
        "hard_jobs_broken.f": "there is no module",
        "jobs.not_a_function": "is not callable: it is a int",
        "jobs.Calls.gone": "Calls has no 'gone'",
        "jobs.echo.deeper.still": "echo has no 'deeper'",
        "jobs.noop.x": "noop has no 'x'",
    }
    async with Worker(chancy) as worker:
        await chancy.push_many(Job(func=func, max_attempts=5) for func in cases)
        await until(lambda: len(worker.unable) == len(cases), WITHIN_S)
        for one in worker.unable:
            assert cases[one.func] in one.problem


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import not_installed_anywhere", "broken_job needs 'not_installed_anywhere', which is missing"),
        ("from not_installed.deeply import x", "broken_job needs 'not_installed', which is missing"),
        ("def f(:", "broken_job raised SyntaxError"),
        ("raise SystemExit(3)", "broken_job raised SystemExit: 3"),
        ("import jobs\njobs.nothing", "broken_job raised AttributeError"),
        ("from jobs import nothing", "broken_job raised ImportError"),
    ],
)
async def test_a_module_that_does_not_import_says_why(new_chancy, tmp_path, monkeypatch, source, says):
    """Where nobody is to wait, whatever keeps a module from being imported is the error of its jobs alone."""
    (tmp_path / "broken_job.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    async with new_chancy(worker_unrunnable_for_s=0) as chancy, Worker(chancy):
        bad = await chancy.push(Job(func="broken_job.f", max_attempts=3))
        good = await chancy.push(Job(func="jobs.echo", kwargs={"value": 1}))
        job = await bad.wait(timeout=WITHIN_S)
        assert (await good.wait(timeout=WITHIN_S)).result == 1
    assert (job.state, job.attempts) == (State.FAILED, 1)
    assert says in job.errors[0].message


async def test_results_of_every_kind_of_function(chancy):
    """A plain function's result is kept as a coroutine's is, tuples as lists, and None as nothing to keep."""
    async with Worker(chancy):
        plain = await chancy.push(Job(func="jobs.add", kwargs={"a": 1, "b": 2}))
        nothing = await chancy.push(Job(func="jobs.noop"))
        pair = await chancy.push(Job(func="os.path.split", kwargs={"p": "/a/b"}))
        jobs = await chancy.wait_for_jobs([plain, nothing, pair], timeout=WITHIN_S)
    assert [(job.state, job.result, job.note) for job in jobs] == [
        (State.SUCCEEDED, 3, None),
        (State.SUCCEEDED, None, None),
        (State.SUCCEEDED, ["/a", "b"], None),
    ]


async def test_the_limit_of_a_result_is_in_bytes(new_chancy):
    """A result of exactly the limit is kept, and one byte more is not, whatever the characters."""
    async with new_chancy(result_limit_bytes=100) as chancy, Worker(chancy):
        references = await chancy.push_many(
            Job(func="jobs.echo", kwargs={"value": value}) for value in ("é" * 49, "é" * 49 + "x", "x" * 98, "x" * 99)
        )
        jobs = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert [job.result is not None for job in jobs] == [True, False, True, False]
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    assert all("it takes 101 bytes as JSON, and the limit is 100" in job.note for job in (jobs[1], jobs[3]))


async def test_a_retry_that_succeeds_keeps_the_errors_before_it(chancy):
    """A job that fails once and then succeeds has its result, one error, and no note of the failure."""
    hard_jobs.raised.clear()
    job = Job(func="hard_jobs.raises_once", kwargs={"kind": "Strange"}, max_attempts=3, backoff=QUICK)
    finished = await run(chancy, job)
    assert (finished.state, finished.result, finished.attempts, finished.note) == (State.SUCCEEDED, "done", 2, None)
    assert [error.attempt for error in finished.errors] == [1]
