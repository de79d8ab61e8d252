"""The transaction of a test: one of its own, and what is done in it so that a job does not spoil it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.app import Chancy
from chancy_core.app.handed import is_django
from chancy_core.errors import ChancyError
from chancy_core.store.connect import connect, connect_sync
from chancy_core.store.flow import AsyncConnection, cursor_of, sync_cursor_of
from chancy_core.testing.sole import in_transaction
from chancy_core.values.queuedjob import QueuedJob

APPLICATION_NAME: Final = "chancy test"


@contextmanager
def own_connection(chancy: Chancy) -> Iterator[psycopg.Connection[Any]]:
    """A connection in a transaction that is rolled back."""
    connection = connect_sync(chancy.dsn, application_name=APPLICATION_NAME, pooler=chancy.settings.pooler)
    try:
        connection.autocommit = False
        yield connection
    finally:
        # What was not committed is rolled back.
        connection.close()


@contextmanager
def spared(connection: psycopg.Connection[Any], job: QueuedJob, given: Any) -> Iterator[None]:
    """Let a statement of a job that fails spoil what the job has done, and not the transaction of the test."""
    if not in_transaction(connection):
        with _left_open(given):
            yield
        return
    cursor = sync_cursor_of(connection)
    cursor.execute(b"SAVEPOINT chancy_job")
    spoilt_before = getattr(given, "needs_rollback", False)
    yield
    status = connection.info.transaction_status
    if status is TransactionStatus.IDLE:
        raise ChancyError(_ended_by(job))
    # Django refuses whatever follows an atomic block without a savepoint that failed.
    spoilt = getattr(given, "needs_rollback", False) and not spoilt_before
    if spoilt or status is TransactionStatus.INERROR:
        cursor.execute(b"ROLLBACK TO SAVEPOINT chancy_job")
        if spoilt:
            given.set_rollback(False)
    cursor.execute(b"RELEASE SAVEPOINT chancy_job")


@contextmanager
def _left_open(given: Any) -> Iterator[None]:
    """Keep Django's connection from being closed round a job, as it would be in a worker: it is the test's."""
    if not is_django(given):
        yield
        return
    # When it is too old to be used again. In a transaction nobody asks.
    before, given.close_at = given.close_at, None
    try:
        yield
    finally:
        given.close_at = before


@asynccontextmanager
async def own_async_connection(chancy: Chancy) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """As `own_connection`, with asyncio."""
    connection = await connect(chancy.dsn, application_name=APPLICATION_NAME, pooler=chancy.settings.pooler)
    try:
        await connection.set_autocommit(False)
        yield connection
    finally:
        # What was not committed is rolled back.
        await connection.close()


@asynccontextmanager
async def async_spared(connection: AsyncConnection, job: QueuedJob) -> AsyncIterator[None]:
    """As `spared`, with asyncio."""
    if not in_transaction(connection):
        yield
        return
    cursor = cursor_of(connection)
    await cursor.execute(b"SAVEPOINT chancy_job")
    yield
    status = connection.info.transaction_status
    if status is TransactionStatus.IDLE:
        raise ChancyError(_ended_by(job))
    if status is TransactionStatus.INERROR:
        await cursor.execute(b"ROLLBACK TO SAVEPOINT chancy_job")
    await cursor.execute(b"RELEASE SAVEPOINT chancy_job")


def _ended_by(job: QueuedJob) -> str:
    return (
        f"The job {job.func} ({job.id}) ended the transaction of the test, by COMMIT or ROLLBACK on its connection, "
        "so that nobody knows any more what belongs to the test. Let it use another one, or give the test a connection "
        "that autocommits."
    )
