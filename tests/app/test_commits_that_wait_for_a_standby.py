"""A commit that waits for its standby can be seen once its session has ended; nobody may be told of it yet."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import psycopg
import pytest
from chaos.cluster import Cluster
from ownservers import own_server
from support import until

from chancy_core.app import Chancy
from chancy_core.app.reference import Reference
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Cancellation

WAITING = b"SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def server() -> Iterator[Cluster]:
    """A server of the test's own, because the settings are the whole server's."""
    with own_server("standby") as made:
        yield made


def _waiting(server: Cluster, *but: int) -> list[int]:
    return [pid for (pid,) in server.query(WAITING.decode()) if pid not in but]


def _commit(server: Cluster, over: threading.Event) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        while not over.is_set():
            connection.execute("SELECT pg_logical_emit_message(true, 'test', ''::text)")


async def _push(chancy: Chancy, _: Reference | None = None) -> Reference:
    return await chancy.push("default", Job(func="jobs.add", kwargs={"a": 1, "b": 2}))


async def _push_from_a_thread(chancy: Chancy, _: Reference | None) -> Reference:
    return await asyncio.to_thread(chancy.sync_push, "default", Job(func="jobs.add", kwargs={"a": 1, "b": 2}))


async def _cancel(chancy: Chancy, reference: Reference | None) -> Cancellation:
    assert reference is not None
    return await chancy.cancel_job(reference)


@pytest.mark.parametrize("act", [_push, _push_from_a_thread, _cancel])
async def test_nobody_is_told_of_a_commit_that_no_standby_has(server, act: Callable[..., Awaitable[object]]):
    """The session is ended while its commit waits: what was asked for is told as done only once a standby has it."""
    over = threading.Event()
    async with Chancy(server.dsn(), discover=False) as chancy:
        await chancy.migrate()
        await chancy.declare(Queue("default"))
        reference = await _push(chancy) if act is _cancel else None
        await asyncio.to_thread(chancy.sync_open)
        try:
            server.set(synchronous_standby_names="nobody")
            # The server waits once its checkpointer has read that: when one commit does not return, none will.
            other = asyncio.create_task(asyncio.to_thread(_commit, server, over))
            await until(lambda: _waiting(server))
            (others,) = _waiting(server)
            told = asyncio.create_task(act(chancy, reference))
            await until(lambda: _waiting(server, others) or told.done())
            (first,) = _waiting(server, others)
            server.query("SELECT pg_terminate_backend(%s)", first)
            await until(lambda: _waiting(server, others, first) or told.done())
            assert not told.done(), f"told {told.result()}, which a fail-over would have undone"
            over.set()
            server.set(synchronous_standby_names="")
            await asyncio.gather(told, other)
        finally:
            over.set()
            server.set(synchronous_standby_names="")
            await asyncio.to_thread(chancy.sync_close)
        counted = server.query("SELECT (SELECT count(*) FROM chancy.jobs), (SELECT count(*) FROM chancy.finished_jobs)")
        assert counted == [(0, 1) if act is _cancel else (1, 0)]
