"""An action on many jobs that is asked for wrongly touches nothing, and says what to give."""

from __future__ import annotations

import inspect
from typing import get_overloads

import pytest

from chancy import Acted, Chancy, Job, JobFilter
from chancy.errors import InvalidFilter, InvalidJob, UnknownQueue

MAIL = JobFilter(funcs="app.mail")


async def awaited(acted: Acted) -> bool:
    """Nobody would await what it returns, so that it could not stop anything."""
    return False


@pytest.mark.parametrize(
    ("verb", "arguments", "kind", "told"),
    [
        ("cancel_jobs", ("state:failed",), InvalidJob, "JobFilter.parse"),
        ("delete_jobs", ("0197c3f2-8a1b-7c4d-9e2f-3a4b5c6d7e8f",), InvalidJob, "a list of references"),
        ("cancel_jobs", (JobFilter(states="failed"),), InvalidFilter, "scheduled, pending"),
        ("retry_jobs", (JobFilter(states="running"),), InvalidFilter, "failed, cancelled"),
        ("delete_jobs", (JobFilter(states="live"),), InvalidFilter, "succeeded"),
        ("update_jobs", (JobFilter(states="running"), {"priority": 1}), InvalidFilter, "retrying"),
        ("update_jobs", (MAIL,), InvalidJob, "nothing to change"),
        ("update_jobs", (MAIL, {"priority": 2**40}), InvalidJob, "2,147,483,647"),
        ("update_jobs", (MAIL, {"queue": ""}), InvalidJob, "queue is empty"),
        ("update_jobs", (MAIL, {"queue": "nobodys"}), UnknownQueue, "never declared"),
        ("update_jobs", (MAIL, {"scheduled_at": "tomorrow"}), InvalidJob, "time zone"),
        ("cancel_jobs", (MAIL, {"progress": 7}), InvalidFilter, "a plain function"),
        ("cancel_jobs", (MAIL, {"progress": awaited}), InvalidFilter, "a plain function"),
        ("cancel_jobs", (7,), InvalidJob, "list of references"),
        ("delete_jobs", (["no id"],), InvalidJob, "not the id"),
    ],
)
async def test_wrong_arguments_touch_nothing(chancy: Chancy, verb, arguments, kind, told):
    """Each says what is wrong, and what to give."""
    await chancy.push(Job(func="app.mail"))
    more = arguments[1] if len(arguments) > 1 else {}
    with pytest.raises(kind, match=told):
        await getattr(chancy, verb)(arguments[0], **more)
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


def test_the_types_of_overloaded_methods_are_those_of_their_operations():
    """What type checkers see of these methods has the parameters that they have."""
    from chancy_core.app import overloaded  # noqa: PLC0415

    for name, method in inspect.getmembers(overloaded.Overloaded, inspect.isfunction):
        real = set(inspect.signature(getattr(Chancy, name)).parameters)
        declared = {parameter for one in get_overloads(method) for parameter in inspect.signature(one).parameters}
        assert declared == real, name
