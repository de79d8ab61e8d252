"""`on_failure`: plugins have a say in what becomes of a run that failed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from making import plugin
from support import WITHIN_S, captured_events, until

from chancy import Backoff, Cancel, Job, Limit, Queue, Retry, Snooze, State, Worker

NEVER = Backoff.fixed(3600)
SOON = 0.01


async def run(new_chancy, answer, job, *, executor="auto"):
    """The finished job, and what `on_failure` was told."""
    told = []

    def on_failure(self, job, error):
        told.append((job, error))
        return answer(len(told)) if callable(answer) else answer

    async with new_chancy(plugins=[plugin("says", on_failure=on_failure)]) as chancy:
        await chancy.declare(Queue("q", executor=executor))
        async with Worker(chancy):
            found = await (await chancy.push("q", job)).wait(timeout=WITHIN_S)
        return found, told, chancy.plugins.failures


@pytest.mark.parametrize("answer", [SOON, 0, timedelta(milliseconds=10), Retry("again", after=SOON)])
async def test_on_failure_says_when_it_is_tried_again(new_chancy, answer):
    """Seconds, a timedelta and a Retry go before the job's backoff; the errors are those that were raised."""
    job = Job("jobs.fail", max_attempts=3, backoff=NEVER)
    found, told, _ = await run(new_chancy, answer, job)
    assert (found.state, found.attempts) == (State.FAILED, 3)
    assert [error.type for error in found.errors] == ["ValueError"] * 3
    assert [one.attempts for one, _ in told] == [1, 2, 3]


@pytest.mark.parametrize(
    ("answer", "attempts", "note"),
    [
        (SOON, 1, "Not retried: the job gives up on ValueError."),
        (None, 1, "Not retried: the job gives up on ValueError."),
        (Retry(after=SOON), 2, None),
    ],
)
async def test_on_failure_by_a_number_leaves_the_policy_to_the_job(new_chancy, answer, attempts, note):
    """Seconds change the wait alone; a Retry is tried again whatever the job gives up on."""
    job = Job("jobs.fail", max_attempts=2, backoff=NEVER, give_up_on=(ValueError,))
    found, _, _ = await run(new_chancy, answer, job)
    if isinstance(answer, Retry):
        # Out of attempts, not given up.
        note = None
    assert (found.state, found.attempts, found.note) == (State.FAILED, attempts, note)


async def test_on_failure_snoozes_without_an_end(new_chancy):
    """A Snooze gives the attempt back, also the last one, and adds no error; then the job's own policy decides."""
    found, told, _ = await run(new_chancy, lambda n: Snooze(SOON, "later") if n < 4 else None, Job("jobs.fail"))
    assert (found.state, found.attempts, found.claims, len(found.errors)) == (State.FAILED, 1, 4, 1)
    assert len(told) == 4


async def test_on_failure_cancels_with_its_reason(new_chancy):
    """A Cancel ends the job, with the error and the reason."""
    found, _, _ = await run(new_chancy, Cancel("of no use"), Job("jobs.fail", max_attempts=5))
    assert (found.state, found.note, [error.type for error in found.errors]) == (
        State.CANCELLED,
        "of no use",
        ["ValueError"],
    )


@pytest.mark.parametrize("executor", ["async", "threaded", "process"])
async def test_on_failure_is_told_alike_wherever_the_run_was(new_chancy, executor):
    """The error knows its kinds, its text and its traceback; the exception is there where it was raised here."""
    func = "hostile_jobs.raises_async" if executor == "async" else "hostile_jobs.raises"
    _, told, _ = await run(new_chancy, None, Job(func), executor=executor)
    ((_, error),) = told
    assert (error.type, error.message) == ("ValueError", "on purpose")
    assert error.is_a(ValueError)
    assert error.is_a("Exception")
    assert error.is_a(KeyError, "builtins.ValueError")
    assert not error.is_a(KeyError, OSError)
    assert 'raise ValueError("on purpose")' in error.traceback
    assert isinstance(error.exception, ValueError) == (executor != "process")


async def test_on_failure_hears_of_limits_and_lost_children(new_chancy):
    """A run over its limit and one whose process ended have failed as any."""
    limits = [Limit(Limit.Type.TIME, 60)]
    _, told, _ = await run(new_chancy, None, Job("hostile_jobs.exits", limits=limits))
    assert [error.type for _, error in told] == ["ChildProcessDied"]
    _, told, _ = await run(new_chancy, None, Job("hostile_jobs.hangs_async", limits=[Limit(Limit.Type.TIME, 0.1)]))
    assert [error.type for _, error in told] == ["TimeLimitExceeded"]


@pytest.mark.parametrize(
    ("func", "kwargs", "state"),
    [
        ("jobs.echo", {"value": 1}, State.SUCCEEDED),
        ("jobs.add", {"a": 1}, State.FAILED),
        ("told_jobs.cancels", {}, State.CANCELLED),
        ("told_jobs.retries", {"after": SOON}, State.FAILED),
    ],
)
async def test_on_failure_is_not_asked_of_what_is_decided(new_chancy, func, kwargs, state):
    """Not of a run that returned, of a job that is wrong itself, or that has raised a verdict."""
    found, told, _ = await run(new_chancy, 0, Job(func, kwargs=kwargs, max_attempts=2))
    assert (found.state, told) == (state, [])


async def test_on_failure_is_not_asked_of_what_was_stopped_or_could_not_begin(new_chancy):
    """A cancelled run, and a function that this worker does not have, have not failed."""
    told = []

    def on_failure(self, job, error):
        told.append(job)
        return 0

    async with new_chancy(plugins=[plugin("says", on_failure=on_failure)]) as chancy, Worker(chancy) as worker:
        await chancy.push(Job("nowhere.f"))
        runs = await chancy.push(Job("jobs.sleep"))
        await until(lambda: worker.running == 1 and worker.unable, WITHIN_S)
        await runs.cancel()
        assert (await runs.wait(timeout=WITHIN_S)).state is State.CANCELLED
    assert told == []


@pytest.mark.parametrize("answer", [True, -1, float("nan"), float("inf"), "5", object(), [], ValueError("x"), Retry])
async def test_on_failure_that_answers_rubbish_has_no_say(new_chancy, answer):
    """It is told and counted, and the job's own policy decides."""
    with captured_events() as events:
        job = Job("jobs.fail", max_attempts=2, backoff=Backoff.fixed(SOON))
        found, told, failures = await run(new_chancy, lambda _: answer, job)
    assert (found.state, found.attempts, len(told)) == (State.FAILED, 2, 2)
    assert failures == {("says", "on_failure"): 2}
    (event,) = [event for event in events if event["event"] == "hook_failed"]
    assert "it must return None, seconds from 0 to 31,536,000, or a Retry, Snooze or Cancel" in event["error"]


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(1), KeyboardInterrupt()])
async def test_on_failure_that_raises_leaves_it_to_others(new_chancy, error):
    """Whatever one plugin raises, the next one is asked, and the first that has an opinion counts."""
    asked = []

    def fail(self):
        raise error

    def silent(self):
        asked.append("silent")

    def says(self):
        asked.append("says")
        return Cancel("enough")

    def late(self):
        asked.append("late")
        return 0

    hooks = [("a", fail), ("b", silent), ("c", says), ("d", late)]
    plugins = [plugin(name, on_failure=hook) for name, hook in hooks]
    async with new_chancy(plugins=plugins, plugin_order=["a", "b", "c", "d"]) as chancy, Worker(chancy):
        found = await (await chancy.push(Job("jobs.fail", max_attempts=3))).wait(timeout=WITHIN_S)
        assert (found.state, found.note, asked) == (State.CANCELLED, "enough", ["silent", "says"])
        assert chancy.plugins.failures == {("a", "on_failure"): 1}
