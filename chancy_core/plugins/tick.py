"""What `on_tick` is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg


class Tick(NamedTuple):
    """One tick of one plugin.

    Attributes:
        now: the database's time at the beginning of the tick.
        is_leader: whether this worker leads; True where nothing elects a leader.
        worker: the worker's name.
        schema: the schema of the tables.
        push: `await tick.push(job, connection=…)`, as `Chancy.push`.
        push_many: `await tick.push_many(jobs, connection=…)`, as `Chancy.push_many`.
        connect: see `connection`.
    """

    now: datetime
    is_leader: bool
    worker: str
    schema: str
    push: Callable[..., Awaitable[Any]]
    push_many: Callable[..., Awaitable[Any]]
    connect: Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A connection to the database for the length of the block; it autocommits outside `transaction()`."""
        async with self.connect() as connection:
            yield connection
