"""What a Chancy has opened in an event loop is disconnected when that loop ends, whoever made it."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chancy_core.app import Chancy
from chancy_core.app.loopends import LoopEnd
from chancy_core.testing.fixtures import wait_until
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker import Worker

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


@pytest.fixture
def sessions(query):
    """How many sessions there are that use the test's schema, by what they asked last."""

    def count(schema: str) -> int:
        ((found,),) = query(
            "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND strpos(query, %s) > 0", schema
        )
        return int(found)

    return count


async def pushed(chancy: Chancy) -> Any:
    return await chancy.push(ECHO)


def test_a_thread_with_a_loop_of_its_own_left_a_connection_behind(dsn, schema, sessions):
    """Each `asyncio.run` ends with what it has opened: eight of them at once held eight connections until the next."""
    chancy = Chancy(dsn, schema=schema)
    asyncio.run(pushed(chancy))
    together = threading.Barrier(8)

    async def push() -> None:
        await chancy.push(ECHO)
        await asyncio.to_thread(together.wait)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: asyncio.run(push()), range(8)))
    asyncio.run(wait_until(lambda: sessions(schema) == 0))
    assert chancy.sync_count_jobs() == {"default": {"pending": 9}}


async def test_coroutine_functions_on_threads_left_a_connection_each_behind(dsn, schema, sessions):
    """Each run on a queue of threads has a loop of its own: what it pushed by is gone with it, and not at the next."""
    async with Chancy(dsn, schema=schema) as chancy:
        await chancy.declare(Queue("mail"))
        await chancy.declare(Queue("threads", executor="threaded", concurrency=4))
        async with Worker(chancy):
            own = Job(func="pushing_jobs.pushes_async", queue="threads")
            references = await chancy.push_many([own] * 12)
            await chancy.wait_for_jobs(references, timeout=60)
            assert {(await one.get()).state for one in references} == {"succeeded"}
            sides = [side for loop, side in chancy.connections.sides.items() if loop.is_closed()]
            assert sides
            await wait_until(lambda: all(not side.pool._idle._stack for side in sides))


def test_what_still_runs_at_the_end_of_a_loop_goes_on(dsn, schema):
    """A generator that pushes while its loop closes it gets a connection like anybody else."""
    chancy = Chancy(dsn, schema=schema)
    done = []

    async def last():
        try:
            yield
        finally:
            done.append(await chancy.push(ECHO))

    async def main() -> None:
        chancy.held = last()  # type: ignore[attr-defined]  # so that the loop ends it, and nobody before
        await chancy.push(ECHO)
        await anext(chancy.held)  # type: ignore[attr-defined]

    asyncio.run(main())
    assert done
    assert chancy.sync_count_jobs() == {"default": {"pending": 2}}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_end_of_a_loop_in_a_child_ends_nothing_of_its_parent():
    """A child that is forked off in a loop, and ends it, has none of the connections in it."""
    called = []

    async def main() -> None:
        end = LoopEnd(lambda: called.append(os.getpid()))
        child = os.fork()
        if child == 0:
            end.leave()
            os._exit(len(called))
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert status == 0
        assert called == []

    asyncio.run(main())
    assert called == [os.getpid()]
