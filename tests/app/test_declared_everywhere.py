"""What `@job` says of a function holds for every job of it, however that names the function."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import declared_jobs
import pytest
from declared_jobs import DECLARED, MIB

from chancy import Backoff, Job, Limit, Queue
from chancy_core.errors import InvalidJob, UnknownQueue

NAME = "declared_jobs.everything"
WAYS = {
    "the function": lambda: declared_jobs.everything,
    "its job": lambda: declared_jobs.everything.job,
    "from_func(function)": lambda: Job.from_func(declared_jobs.everything),
    "from_func(name)": lambda: Job.from_func(NAME),
    "Job(func=name)": lambda: Job(func=NAME),
    "name:function": lambda: Job(func="declared_jobs:everything"),
}
OTHER: dict[str, Any] = {
    "queue": "other",
    "kwargs": {"to": "me"},
    "priority": 3,
    "max_attempts": 2,
    "limits": [Limit(Limit.Type.MEMORY, MIB), Limit(Limit.Type.TIME, 1)],
    "unique_key": "mine",
    "meta": {"mine": 1},
    "backoff": Backoff.linear(1, 1),
    "expires_at": datetime(2090, 1, 1, tzinfo=UTC),
    "retry_on": ("ValueError",),
    "give_up_on": ("TypeError",),
}


@pytest.fixture
async def declared(chancy):
    for queue in ("mail", "other"):
        await chancy.declare(Queue(queue))
    return chancy


async def pushed(chancy, job, *, many):
    (reference,) = await chancy.push_many([job]) if many else [await chancy.push(job)]
    return await reference.get()


@pytest.mark.parametrize("many", [False, True], ids=["push", "push_many"])
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_declared_holds_however_the_function_is_named(declared, way, many):
    """Every field, of one push as of many."""
    found = await pushed(declared, WAYS[way](), many=many)
    assert {name: getattr(found, name) for name in DECLARED} == DECLARED
    assert found.exact is False


@pytest.mark.parametrize("field", OTHER)
@pytest.mark.parametrize("make", [Job, Job.from_func], ids=["Job", "from_func"])
async def test_what_the_job_says_goes_before_what_is_declared(declared, make, field):
    """One field by another, and the others stay."""
    given = declared_jobs.everything if make == Job.from_func else NAME
    found = await pushed(declared, make(given, **{field: OTHER[field]}), many=False)
    assert {name: getattr(found, name) for name in DECLARED} == {**DECLARED, field: OTHER[field]}


async def test_of_limits_each_kind_counts_by_itself(declared):
    """A job that only names its function, and has a time limit of its own, keeps to the declared memory limit."""
    own = Limit(Limit.Type.TIME, 1)
    found = await pushed(declared, Job(func=NAME, limits=[own]), many=True)
    assert found.limits == [own, DECLARED["limits"][0]]


async def test_the_queue_of_a_push_goes_before_the_declared_one(declared):
    """`push("default", …)` says where, even if that is the default."""
    for reference in (
        await declared.push("default", Job(func=NAME)),
        *await declared.push_many("default", Job(func=NAME, unique_key="2"), Job(func=NAME, unique_key="3")),
    ):
        assert (await reference.get()).queue == "default"


async def test_a_declared_queue_that_is_not_there_is_told(chancy):
    """As any other unknown queue."""
    with pytest.raises(UnknownQueue, match="mail"):
        await chancy.push(Job(func=NAME))


LESS: dict[str, Any] = {
    "queue": "default",
    "priority": 0,
    "max_attempts": 1,
    "limits": [],
    "backoff": None,
    "unique_key": None,
    "meta": {},
    "expires_at": None,
}


@pytest.mark.parametrize("many", [False, True], ids=["push", "push_many"])
@pytest.mark.parametrize("field", LESS)
async def test_a_job_of_the_function_may_say_less(declared, query, field, many):
    """`with_limits([])` of the function's own job means it; and the row says so where a worker would add to it."""
    job = getattr(declared_jobs.everything.job, f"with_{field}")(LESS[field])
    found = await pushed(declared, job, many=many)
    assert {name: getattr(found, name) for name in DECLARED} == {**DECLARED, field: LESS[field]}
    assert found.exact is (field in {"max_attempts", "limits", "backoff"})


async def test_a_job_that_names_its_function_may_be_meant_as_it_is(chancy, query):
    """With `as_is()` nothing is added, whether or not the module is loaded here."""
    for func in (NAME, f"not_loaded_{uuid.uuid4().hex}.f"):
        job = Job(func=func, kwargs={"to": "x"})
        assert job.as_is() == job
        found = await pushed(chancy, job.as_is(), many=func == NAME)
        assert (found.queue, found.limits, found.exact) == ("default", [], True)
        # What is read from the database, and pushed again, is what it was.
        again = await pushed(chancy, found.with_priority(1), many=False)
        assert (again.limits, again.exact) == ([], True)


async def test_a_job_of_an_undecorated_function_is_what_it_says(chancy, query):
    """Its row has nothing that rows had not before."""
    for job in (Job(func="declared_jobs.takes_nothing"), Job.from_func(declared_jobs.takes_nothing)):
        await chancy.push_many(job, job)
        await chancy.push(job)
    assert query("SELECT DISTINCT options::text, limits::text, max_attempts FROM {s}.jobs") == [(None, None, 1)]


async def test_declared_arguments_are_looked_at(declared):
    """A job that only names a decorated function which is known here is as good as that function's own."""
    with pytest.raises(InvalidJob, match="Did you mean 'to'"):
        await declared.push(Job(func=NAME, kwargs={"too": "x"}))


def test_jobs_are_equal_however_they_were_made():
    """A function's own job is a `Job`, equal to one with the same fields; both ways, and by `!=`."""
    own, other = declared_jobs.everything.job, Job(func=NAME, **DECLARED)
    assert own == other
    assert other == own
    assert not own != other  # noqa: SIM202
    assert own != other.with_queue("other")
    assert other.with_queue("other") != own
    assert own != "a job"
