"""Operations have two faces, with asyncio and without, which never differ; each says whether it may be repeated."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable
from typing import Any, get_type_hints

import pytest

from chancy_core.app import Chancy
from chancy_core.app.operation import Operation, faces, once
from chancy_core.app.operations import acting, finding, jobs, queues
from chancy_core.errors import WaitTimeout
from chancy_core.values.job import Job

# Public coroutines of a Chancy that are no operations of `chancy_core.app.operations`, and why.
BY_HAND = {
    "open": "opens the connections that operations run on",
    "close": "closes them",
    "migrate": "waits for others and for long statements, so it takes a connection without a deadline",
    "push": "written together with others, and repeated by the ids of its jobs",
    "push_many": "reads its jobs while the server takes those before them, in one transaction",
    "wait_for_job": "asks for all who wait in a process at once",
    "wait_for_jobs": "the same",
}
# What the face without asyncio cannot take.
ONLY_ASYNC = {"push_many": AsyncIterable}


def coroutines() -> list[str]:
    return [
        name
        for name, found in inspect.getmembers(Chancy, inspect.iscoroutinefunction)
        if not name.startswith("_") and not name.startswith("sync_")
    ]


def without_async(annotation: Any, kind: Any) -> Any:
    """The annotation without a member of its union."""
    text = str(annotation)
    start = text.find(f" | {kind.__name__}[")
    if start < 0:
        return text
    depth = 0
    for end in range(start, len(text)):
        depth += {"[": 1, "]": -1}.get(text[end], 0)
        if text[end] == "]" and not depth:
            return text[:start] + text[end + 1 :]
    raise AssertionError(text)


@pytest.mark.parametrize("name", coroutines())
def test_the_face_without_asyncio_has_the_same_signature(name):
    """Every public coroutine has its double: the same parameters, in the same order, defaults, types and result."""
    there = getattr(Chancy, name)
    double = getattr(Chancy, f"sync_{name}")
    assert not inspect.iscoroutinefunction(double)
    expected, found = inspect.signature(there), inspect.signature(double)
    if name in ONLY_ASYNC:
        expected = expected.replace(
            parameters=[
                parameter.replace(annotation=without_async(parameter.annotation, ONLY_ASYNC[name]))
                for parameter in expected.parameters.values()
            ]
        )
    assert str(found) == str(expected)
    assert double.__doc__
    assert there.__doc__


def test_nothing_is_there_without_asyncio_only():
    """Each method that begins with sync_ is the double of a coroutine."""
    doubles = [name.removeprefix("sync_") for name in vars(Chancy) if name.startswith("sync_") and name != "sync_pool"]
    assert sorted(doubles) == sorted(coroutines())


@pytest.mark.parametrize("name", coroutines())
def test_each_operation_says_whether_it_may_be_repeated(name):
    """Both methods of an operation are made of the same one, which says so; the others are named, with the reason."""
    if name in BY_HAND:
        assert not hasattr(getattr(Chancy, name), "operation")
        return
    operation = getattr(Chancy, name).operation
    assert isinstance(operation, Operation)
    assert operation is getattr(Chancy, f"sync_{name}").operation
    assert isinstance(operation.repeatable, bool)


def test_what_only_looks_may_be_repeated_and_nothing_else():
    """Reading asks again after a lost answer; a change asks what became of it."""
    declared = {
        operation.name: operation.repeatable
        for module in (acting, finding, jobs, queues)
        for operation in vars(module).values()
        if isinstance(operation, Operation)
    }
    assert {name for name, repeatable in declared.items() if repeatable} == {
        name for name in declared if name.startswith(("get_", "count_", "find_"))
    }
    assert set(declared) == set(coroutines()) - set(BY_HAND)


@pytest.mark.parametrize("name", coroutines())
def test_methods_look_as_if_they_were_written_by_hand(name):
    """Whoever reads them by `help()`, or by their type hints, sees names, types and the whole docstring."""
    for method in (getattr(Chancy, name), getattr(Chancy, f"sync_{name}")):
        hints = get_type_hints(method, localns={"Chancy": Chancy})
        shown = [parameter for parameter in inspect.signature(method).parameters if parameter != "self"]
        assert set(shown) <= set(hints)
        assert next(iter(inspect.signature(method).parameters)) == "self"


def test_the_classes_of_an_application_are_small():
    """Fewer than twenty public methods are written in the body of one class, the largest one included."""
    source = inspect.getsource(Chancy)
    methods = [
        line
        for line in source.splitlines()
        if line.startswith(("    def ", "    async def ")) and not line.split("def ")[1].startswith("_")
    ]
    assert len(methods) < 20
    assert Chancy.__bases__ == (object,)


def test_an_operation_that_does_not_say_what_it_returns_is_refused():
    """The methods' annotations are made of the operation's: one without is a mistake that is told at once."""

    @once
    def shout(chancy: Chancy) -> Callable[[], Any]:
        raise NotImplementedError

    with pytest.raises(TypeError, match="shout"):
        faces(shout)


def test_waiting_for_many_without_asyncio_has_one_time_limit(new_chancy):
    """All that finish are returned in their order; one time limit is for all of them together."""
    with new_chancy() as chancy:
        first, second, third = chancy.sync_push_many([Job(func="jobs.echo")] * 3)
        chancy.sync_cancel_jobs([first, second])
        found = chancy.sync_wait_for_jobs([second, first], timeout=60)
        assert [job.id for job in found] == [second.identifier, first.identifier]
        with pytest.raises(WaitTimeout):
            chancy.sync_wait_for_jobs([first, third], timeout=0.05)
