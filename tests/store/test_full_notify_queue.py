"""PostgreSQL's queue of notifications is full, because somebody listens and does not read: nothing fails for that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from chancy_core.app import Chancy
from chancy_core.embedded import watcher
from chancy_core.store import store
from chancy_core.testing.server import new_folder, remove_folder, server_in
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Cancellation

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


@pytest.fixture(scope="module")
def small_queue() -> Iterator[str]:
    """A server whose queue of notifications is as small as it can be."""
    folder = new_folder("chancy-notify-")
    try:
        with server_in(folder) as server, psycopg.connect(server.dsn, autocommit=True) as admin:
            if admin.info.server_version < 170_000:
                pytest.skip("the size of the queue can be set from PostgreSQL 17 on")
            admin.execute("ALTER SYSTEM SET max_notify_queue_pages = 64")
        until_s = time.monotonic() + 60
        while watcher.is_locked(str(folder / "postgres" / "server.lock")):
            assert time.monotonic() < until_s
            time.sleep(0.02)
        with server_in(folder) as server:
            yield server.dsn
    finally:
        remove_folder(folder)


@pytest.fixture
def full(small_queue: str) -> Iterator[str]:
    """A database whose queue of notifications takes not one more."""
    with psycopg.connect(small_queue, autocommit=True) as listener:
        listener.execute("LISTEN nobody")
        listener.execute("BEGIN")
        listener.execute("SELECT 1")
        with psycopg.connect(small_queue, autocommit=True) as writer:
            with suppress(psycopg.errors.ProgramLimitExceeded):
                while True:
                    writer.execute("SELECT pg_notify('nobody', repeat('x', 7900))")
            with pytest.raises(psycopg.errors.ProgramLimitExceeded):
                writer.execute("SELECT pg_notify('nobody', repeat('x', 7900))")
        yield small_queue
        listener.execute("ROLLBACK")


@pytest.fixture(params=["asked", "refused"])
def anyway(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the statements ask first how full it is, or are refused because it has just become so."""
    if request.param == "refused":
        statement = store.statement

        def unasked(*arguments: Any) -> bytes:
            return statement(*arguments).replace(b"pg_notification_queue_usage() < 0.5", b"true")

        monkeypatch.setattr(store, "statement", unasked)


@pytest.mark.usefixtures("anyway")
async def test_everything_works_while_the_queue_of_notifications_is_full(full, schema):
    """Pushes, alone and in bulk, and changes of jobs and queues are done; only nobody is told."""
    async with Chancy(full, schema=schema, discover=False) as chancy:
        references = [await chancy.push(ECHO), await chancy.push(ECHO.with_unique_key("k"))]
        await chancy.declare(Queue("q"))
        await chancy.pause_queue("q")
        assert await chancy.cancel_job(references[0]) == Cancellation.CANCELLED
        assert await chancy.retry_jobs(references[:1]) == references[:1]
        assert await chancy.delete_queue("q") == 0
        assert await chancy.count_jobs() == {"default": {"pending": 2}}


@pytest.mark.usefixtures("anyway")
def test_everything_works_without_asyncio_too(full, schema):
    """The same for the twins."""
    with Chancy(full, schema=schema, discover=False) as chancy:
        reference = chancy.sync_push(ECHO)
        chancy.sync_declare(Queue("q"))
        chancy.sync_pause_queue("q")
        assert chancy.sync_cancel_job(reference) == Cancellation.CANCELLED
        assert chancy.sync_retry_jobs([reference]) == [reference]


async def test_transactions_that_push_commit_while_the_queue_is_full(full, schema):
    """A transaction in which jobs are pushed, a bulk push's own or the caller's, is not failed by its notification."""
    async with Chancy(full, schema=schema, discover=False) as chancy:
        await chancy.push_many([ECHO] * 3)
        async with await psycopg.AsyncConnection.connect(full) as connection:
            await chancy.push(ECHO, connection=connection)
            await chancy.push_many([ECHO], connection=connection)
        assert await chancy.count_jobs() == {"default": {"pending": 5}}
