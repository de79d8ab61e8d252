"""Jobs that are given resources, and a diary of what became of these."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

from chancy import JobContext, job, provides

diary: list[str] = []
failures: list[Exception] = []


def note(line: str) -> None:
    """Into the diary, and into a file that child processes write to as well."""
    diary.append(line)
    path = os.environ.get("TEST_DIARY")
    if path:
        with Path(path).open("a") as file:
            file.write(f"{line} {os.getpid()}\n")


class Client:
    """A resource."""

    def __init__(self) -> None:
        self.loop: Any = None
        self.thread = threading.get_ident()
        self.is_open = True


@provides
def pool() -> Iterator[Client]:
    if failures:
        raise failures.pop()
    note("pool up")
    client = Client()
    yield client
    client.is_open = False
    note("pool down")


@provides
async def http() -> AsyncIterator[Client]:
    if failures:
        raise failures.pop()
    note("http up")
    client = Client()
    client.loop, task = asyncio.get_running_loop(), asyncio.current_task()
    yield client
    client.is_open = False
    assert task is asyncio.current_task()
    note("http down")


@provides
def number() -> int:
    note("number up")
    return 7


@provides
async def awaited() -> int:
    await asyncio.sleep(0)
    return 8


@provides
def torn() -> Iterator[int]:
    yield 1
    raise ValueError("torn")


@job
def plain(*, value: int, db: Annotated[Client, pool], n: Annotated[int, number]) -> list[Any]:
    assert db.is_open
    return [value, id(db), n]


@job
async def loop(*, value: int, client: Annotated[Client, http], db: Annotated[Client, pool]) -> list[Any]:
    assert client.is_open
    assert db.is_open
    assert client.loop is asyncio.get_running_loop()
    return [value, id(client), id(db)]


@job
async def both(context: JobContext = None, *, run: JobContext, n: Annotated[int, awaited]) -> list[Any]:
    return [run.func, n]


@job
def wrong(*, client: Annotated[Client, http]) -> None:
    """A plain function cannot be given what is awaited."""


@job
def tearing(*, one: Annotated[int, torn], db: Annotated[Client, pool]) -> int:
    return one
