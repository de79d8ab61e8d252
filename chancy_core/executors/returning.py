"""What a function returned is looked at: a coroutine has yet to be awaited, and a generator has not done anything."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from io import IOBase
from itertools import islice
from typing import Any, Final

from chancy_core.errors import CannotRun
from chancy_core.executors.ownloop import run_in_own_loop

# What nearly every function returns, and what is done when it is returned. Looked up for each job: the rest costs more.
DONE: Final = frozenset({type(None), bool, int, float, str, bytes})
# What may hold something that is not done: among the first so many, and so many levels below it. More would cost those
# who return much, and whoever forgot to await rarely did so once among many.
HOLDERS: Final = frozenset({list, tuple, set, frozenset, dict})
LOOKED_AT: Final = 10
DEPTH: Final = 1


@contextmanager
def _plain() -> Iterator[None]:
    yield


@asynccontextmanager
async def _async() -> AsyncIterator[None]:
    yield


# What functions return that `contextlib` has decorated: they have not begun. It does not name these types.
WITH: Final = (type(_plain()), type(_async()))


async def awaited(func: str, call: Awaitable[Any]) -> Any:
    """What `call` returns, settled: see there."""
    return await settled(func, await call)


async def settled(func: str, value: Any) -> Any:
    """What a function returned; if that is a coroutine, what that returns.

    Args:
        func: the name of the job's function, for the error.
        value: what it returned.

    Raises:
        CannotRun: it is something else that would have to be awaited or iterated.
    """
    while type(value) not in DONE and issubclass(type(value), Coroutine):
        value = await value
    refuse_unfinished(func, value)
    return value


def settled_here(func: str, value: Any) -> Any:
    """What a plain function returned. A coroutine is awaited, on a loop of its own in this thread.

    Raises:
        CannotRun: it is something else that would have to be awaited or iterated, or this thread runs a loop already.
    """
    if type(value) in DONE:
        return value
    if not issubclass(type(value), Coroutine):
        refuse_unfinished(func, value)
        return value
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 -- None, where others raise
        value.close()
        raise CannotRun(
            f"{func} is a plain function that returned a coroutine, which would need a loop of its own, but this "
            "thread runs one already: call run_job in another, with asyncio.to_thread say."
        )
    try:
        return run_in_own_loop(lambda: settled(func, value))
    finally:
        # If there was no loop for it, it has not been begun.
        value.close()


def refuse_unfinished(func: str, value: Any) -> None:
    """Raise CannotRun if somebody would have to await `value`, or to iterate it, for the work to be done."""
    kind = type(value)
    if kind in DONE:
        return
    if kind in HOLDERS:
        _refuse_unfinished_in(func, value)
        return
    problem = _problem(kind)
    if problem is None:
        return
    if issubclass(kind, Generator):
        # What it holds open is not to wait for the garbage collector.
        with suppress(Exception):
            value.close()
    raise CannotRun(f"{func} returned an object of type {kind.__qualname__}, which {problem}")


def _refuse_unfinished_in(func: str, value: Any) -> None:
    """As `refuse_unfinished`, for what is in a list, say: `[send(to) for to in everybody]`, where `send` is `async`."""
    found = _unfinished_in(value, DEPTH)
    if found is None:
        return
    _close_all(value, DEPTH)
    raise CannotRun(
        f"{func} returned an object of type {type(value).__qualname__} with one of type {found.__qualname__} in it, "
        f"which {_problem(found)}"
    )


def _unfinished_in(value: Any, depth: int) -> type | None:
    """The first kind of thing that is not done among the first few in a list or a dict, and in those in it."""
    for item in islice(value.values() if type(value) is dict else value, LOOKED_AT):
        kind = type(item)
        if kind in DONE:
            continue
        if kind in HOLDERS:
            found = _unfinished_in(item, depth - 1) if depth else None
        else:
            found = kind if _problem(kind) is not None else None
        if found is not None:
            return found
    return None


def _close_all(value: Any, depth: int) -> None:
    """Those were called, and will never run: not a word of Python's own for each of them as well."""
    for item in list(value.values() if type(value) is dict else value):
        if type(item) in HOLDERS and depth:
            _close_all(item, depth - 1)
        elif isinstance(item, Coroutine | Generator):
            with suppress(Exception):
                item.close()


def _problem(kind: type) -> str | None:
    if issubclass(kind, AsyncIterator):
        return (
            "does its work only while it is iterated, and no worker does that: iterate it in the function, with "
            "`async for`, and return what comes of it."
        )
    if issubclass(kind, Awaitable):
        return "no worker awaits: await it in the function, which has to be `async def`, and return its result."
    if issubclass(kind, concurrent.futures.Future):
        return "no worker waits for: call its result() in the function, and return that."
    if issubclass(kind, WITH):
        return (
            "does its work only when it is entered, and no worker does that: take @contextmanager away, or enter it in "
            "a function of its own."
        )
    # An open file is an iterator, too, but nobody's work waits in it.
    if issubclass(kind, Iterator) and not issubclass(kind, IOBase):
        return (
            "does its work only while it is iterated, and no worker does that: iterate it in the function, or return "
            "list(…) of it."
        )
    return None
