"""Jobs whose function returns something that is not done yet."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any


def decorated(func: Callable[..., Any]) -> Callable[..., Any]:
    """An ordinary decorator, which knows nothing of coroutines."""

    @functools.wraps(func)
    def call(**kwargs: Any) -> Any:
        return func(**kwargs)

    return call


def decorated_async(func: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that forgot to await."""

    @functools.wraps(func)
    async def call(**kwargs: Any) -> Any:
        return func(**kwargs)

    return call


async def _touch(path: str) -> str:
    await asyncio.sleep(0)
    Path(path).touch()  # noqa: ASYNC240 -- one file
    return "touched"


@decorated
async def touches(*, path: str) -> str:
    return await _touch(path)


@decorated_async
async def touches_twice_async(*, path: str) -> str:
    return await _touch(path)


@decorated
async def raises(*, path: str) -> str:
    raise ValueError(path)


@decorated
async def returns_a_generator_after_all(*, path: str) -> Any:
    return generator(path=path)


def generator(*, path: str) -> Iterator[int]:
    Path(path).touch()
    yield 1


async def async_generator(*, path: str) -> AsyncIterator[int]:
    yield len(await _touch(path))


async def generator_from_async(*, path: str) -> Any:
    return generator(path=path)


def lazy_map(*, path: str) -> Any:
    return map(Path.touch, [Path(path)])


def waiting_future(*, path: str) -> Any:
    return concurrent.futures.Future()


async def loop_future(*, path: str) -> Any:
    return asyncio.get_running_loop().create_future()


async def task(*, path: str) -> Any:
    return asyncio.create_task(asyncio.sleep(0, path))


class Later:
    """An awaitable of somebody's."""

    def __await__(self) -> Any:
        yield


def awaitable(*, path: str) -> Any:
    return Later()


def open_file(*, path: str) -> Any:
    return Path(path).open("w")


def many_coroutines(*, path: str) -> Any:
    return [_touch(path), _touch(path)]


async def many_coroutines_async(*, path: str) -> Any:
    return tuple(_touch(path) for _ in range(2))


def coroutines_by_name(*, path: str) -> Any:
    return {"one": _touch(path)}


async def tasks_async(*, path: str) -> Any:
    return [asyncio.create_task(asyncio.sleep(0, path))]


def many_generators(*, path: str) -> Any:
    return [generator(path=path)]


def lazy_maps(*, path: str) -> Any:
    return [map(Path.touch, [Path(path)])]


# What they return, and what is in it.
MANY = {
    "many_coroutines": ("list", "coroutine"),
    "many_coroutines_async": ("tuple", "coroutine"),
    "coroutines_by_name": ("dict", "coroutine"),
    "tasks_async": ("list", "Task"),
    "many_generators": ("list", "generator"),
    "lazy_maps": ("list", "map"),
}
