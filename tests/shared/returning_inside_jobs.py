"""Jobs that return what is not done yet where one does not see it at once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any


async def _send() -> None: ...


def behind_others() -> list[Any]:
    return [True, 1, "a", _send(), _send()]


def in_a_dict_of_dicts() -> dict[str, Any]:
    return {"done": 1, "later": {"mail": _send()}}


def in_pairs() -> list[Any]:
    return [("alice", _send()), ("bob", _send())]


async def behind_others_async() -> tuple[Any, ...]:
    return None, _send()


@contextlib.contextmanager
def entered_by_nobody() -> Iterator[None]:
    raise RuntimeError("it began")
    yield


@contextlib.asynccontextmanager
async def entered_by_nobody_async() -> AsyncIterator[None]:
    raise RuntimeError("it began")
    yield


WHAT = {
    "behind_others": "coroutine",
    "in_a_dict_of_dicts": "coroutine",
    "in_pairs": "coroutine",
    "behind_others_async": "coroutine",
    "entered_by_nobody": "_GeneratorContextManager",
    "entered_by_nobody_async": "_AsyncGeneratorContextManager",
}
