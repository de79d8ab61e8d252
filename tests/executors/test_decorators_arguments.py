"""A decorator's parameters are those that a job has to fit."""

from __future__ import annotations

import injecting_jobs
from support import WITHIN_S

from chancy import Job, State, Worker


async def test_a_decorator_may_give_and_take_arguments(chancy):
    """The job runs, with its context; what the decorator itself does not take is refused as ever."""
    injected = injecting_jobs.injected.job
    greet = Job.from_func(injecting_jobs.greet, max_attempts=3)
    assert injected == Job("injecting_jobs.injected")
    async with Worker(chancy):
        pushed = await chancy.push_many(
            injected.with_kwargs(word="hi"),
            injected.with_kwargs(word="hi", dry=True),
            injected,
            greet.with_kwargs(user=3),
            Job("injecting_jobs.greet", max_attempts=3).with_kwargs(name="x"),
        )
        plain, dry, lacking, user, wrong = await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert plain.result == [False, ["a session", "hi", 1]]
    assert dry.result == [True, ["a session", "hi", 1]]
    assert (lacking.state, lacking.errors[0].type) == (State.FAILED, "TypeError")
    assert user.result == "user 3"
    assert (wrong.attempts, wrong.errors[0].type) == (1, "CannotRun")
    assert "it needs user" in wrong.errors[0].message


def test_kwargs_are_replaced_or_added_to():
    """Each as its name says, in a copy."""
    job = Job("a.b", kwargs={"a": 1, "b": 2})
    assert job.with_kwargs(b=3).kwargs == {"b": 3}
    assert job.with_more_kwargs({"c": 4}, b=3).kwargs == {"a": 1, "b": 3, "c": 4}
    assert job.kwargs == {"a": 1, "b": 2}
