"""The jobs of a bulk push, read in chunks, while the server takes those before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, Protocol, Self, TypeVar

from chancy_core.app.handed import OWN
from chancy_core.values.decorating import JobFunction
from chancy_core.values.job import Job

Pushable = Job | JobFunction[..., Any]
R_co = TypeVar("R_co", covariant=True)


class PushesItself(Protocol[R_co]):
    """What is no job, and knows how to push itself: a plugin's value, such as a workflow of many jobs."""

    async def push_with(self, chancy: Any, *, connection: Any = OWN) -> R_co:
        """What `chancy.push` is to do: in a transaction of its own, or in the one of `connection`."""
        ...

    def sync_push_with(self, chancy: Any, *, connection: Any = OWN) -> R_co:
        """What `chancy.sync_push` is to do."""
        ...


# Jobs of a bulk push are read and sent so many at a time; that bounds the memory it takes.
CHUNK: Final = 5000
# And an iterable is asked for so many at a step.
READ: Final = 500


async def groups(
    jobs: Iterable[Pushable] | AsyncIterable[Pushable],
) -> AsyncIterator[Iterator[list[Pushable]]]:
    """As `groups_sync`, for async iterables too, and without keeping the event loop for long."""
    if isinstance(jobs, list | tuple):
        yield _chunks(jobs)
        return
    chunk: list[Pushable] = []
    async for some in _few(jobs):
        chunk += some
        if len(chunk) >= CHUNK:
            yield iter((chunk,))
            chunk = []
    yield iter((chunk,))


async def _few(jobs: Iterable[Pushable] | AsyncIterable[Pushable]) -> AsyncIterator[Sequence[Pushable]]:
    if isinstance(jobs, AsyncIterable):
        async for job in jobs:
            yield (job,)
        return
    iterator = iter(jobs)
    while some := list(islice(iterator, READ)):
        yield some
        # The loop has other things to do, and the server is to be kept fed.
        await asyncio.sleep(0)


def groups_sync(jobs: Iterable[Pushable]) -> Iterator[Iterator[list[Pushable]]]:
    """The jobs of a bulk push in chunks, and which chunks one flow may store: an iterator of chunks for each flow.

    A flow keeps its connection busy from its first chunk to its last. A list is there already, so one flow stores all
    of its chunks. Any other iterable runs somebody's code while it is read, and that code may use the same connection.
    So there each chunk has a flow of its own, and the iterable is read between two flows.
    """
    if isinstance(jobs, list | tuple):
        yield _chunks(jobs)
        return
    for chunk in _chunks(jobs):
        yield iter((chunk,))


def _chunks(jobs: Iterable[Pushable]) -> Iterator[list[Pushable]]:
    iterator = iter(jobs)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


class OneAtATime:
    """Runs one coroutine at a time in the background; none is left running at the block's end."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def next(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the one before it, and start this one. Raises what the one before it raised."""
        before, self._task = self._task, None
        try:
            if before is not None:
                await before
        except BaseException:
            work.close()
            raise
        self._task = asyncio.create_task(work)
        # So that it begins before its caller goes on computing.
        await asyncio.sleep(0)

    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if self._task is None:
            return
        if kind is None:
            await self._task
        else:
            self._task.cancel()
            await asyncio.wait([self._task])
