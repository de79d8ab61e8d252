"""The name of a function leads a worker to that very function, or no job is made."""

from __future__ import annotations

import functools

import named_jobs
import pytest
from named_jobs import Base, Derived
from support import WITHIN_S

from chancy import Job, Worker, job
from chancy_core.errors import InvalidJob
from chancy_core.values.decorating import as_job


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (Base.go, "Base.go"),
        (Derived.go, "Derived.go"),
        (Derived.decorated, "Derived.decorated"),
        (Derived.static, "Base.static"),
        (named_jobs.shadowed, "shadowed"),
        (named_jobs.task, "task"),
    ],
)
def test_a_name_leads_to_the_very_object(func, name):
    """An inherited class method goes by the class it is called on; a callable object with a name by its own."""
    assert Job.from_func(func).func == f"named_jobs.{name}"


@pytest.mark.parametrize(
    ("func", "says"),
    [
        (named_jobs.first, r"named_jobs\.shadowed, but there a worker finds another object.*Job\.from_func\('package"),
        (named_jobs.task.func, r"named_jobs\.task, but there a worker finds another object"),
        (named_jobs.lost, r"named_jobs\.gone, and there is no such thing: put it there"),
        (named_jobs.nameless, r"no importable name: .*as text: Job\.from_func\('package\.module\.function'\)"),
        (
            functools.partial(named_jobs.shadowed),
            "give the function in it, and put its arguments into",
        ),
        (Derived().of_an_object, "bound to an object"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(func, says):
    """With what stands there, and what to write."""
    with pytest.raises(InvalidJob, match=says):
        Job.from_func(func)


@pytest.mark.parametrize("kind", [classmethod, staticmethod])
def test_the_decorator_stands_below_that_of_a_method(kind):
    """What is not yet a method of its class gets no job, which would be lost when it becomes one."""
    with pytest.raises(InvalidJob, match=rf"put @job\(\) below @{kind.__name__}"):
        job()(kind(named_jobs.shadowed))


def test_a_decorator_may_make_a_job_before_the_name_is_there():
    """While its module is being executed a function is believed."""
    assert [made.func for made in named_jobs.jobs_made_at_once] == ["named_jobs.early"]


def test_a_decorated_method_is_pushed_as_what_it_is():
    """A class method with the fields of its decorator; a method of an object not at all."""
    assert as_job(Derived.decorated) == Job("named_jobs.Derived.decorated", max_attempts=2)
    with pytest.raises(InvalidJob, match="bound to an object"):
        as_job(Derived().of_an_object)


async def test_a_worker_runs_what_was_given(chancy):
    """And not what has the same name, or the class that it was inherited from."""
    async with Worker(chancy):
        pushed = await chancy.push_many(Job.from_func(Derived.go), Derived.decorated, Job.from_func(named_jobs.task))
        results = [ended.result for ended in await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)]
    assert results == ["Derived", "Derived", ["task", "done"]]
