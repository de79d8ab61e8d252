"""Forks, several event loops, and opening and closing at awkward moments: it works, or is refused with what to do."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from chancy_core.app import Chancy
from chancy_core.errors import NotOpen
from chancy_core.store import connect
from chancy_core.values.job import Job

ECHO = Job(func="jobs.echo", kwargs={"value": 1})

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_child(work: Callable[[], str]) -> str:
    """What a forked child says, which ends without any of its parent's clean-up."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = work()
        except BaseException:
            said = traceback.format_exc()
        os.write(writing, said.encode()[-60_000:])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def waits_for_lock(query: Callable[..., list[Any]]) -> bool:
    return bool(query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%{s}%%'"))


def sessions(query: Callable[..., list[Any]]) -> int:
    ((count,),) = query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%{s}%%' AND pid <> pg_backend_pid()")
    return int(count)


# -- forks ---------------------------------------------------------------------------------


def test_a_forked_child_pushes_by_connections_of_its_own(new_chancy):
    """A child that inherits an open Chancy pushes and looks, and its parent goes on as before."""
    with new_chancy() as chancy:
        chancy.sync_push(ECHO)

        def work() -> str:
            for _ in range(20):
                assert chancy.sync_get_job(chancy.sync_push(ECHO)) is not None
            chancy.sync_push_many([ECHO])
            chancy.sync_close()
            return "done"

        assert in_child(work) == "done"
        for _ in range(20):
            chancy.sync_push(ECHO)
        assert chancy.sync_count_jobs() == {"default": {"pending": 42}}


def test_a_child_that_ends_or_collects_leaves_its_parents_sessions(new_chancy, query):
    """Whatever a child closes or forgets, nothing is written to a socket of its parent's."""
    with new_chancy() as chancy:
        chancy.sync_push(ECHO)
        with chancy.sync_pool.connection() as lent:
            before = lent.info.backend_pid

            def work() -> str:
                lent.close()
                chancy.sync_close()
                chancy.__dict__.clear()
                gc.collect()
                return "done"

            assert in_child(work) == "done"
            assert lent.execute("SELECT pg_backend_pid()").fetchone() == (before,)
        chancy.sync_push(ECHO)


def test_parent_and_children_push_at_the_same_time(new_chancy):
    """Several children and their parent push together: each job is stored once, and no protocol is confused."""
    with new_chancy() as chancy:
        chancy.sync_push(ECHO)

        def work() -> str:
            for _ in range(30):
                chancy.sync_push(ECHO)
            return "done"

        said: list[str] = []
        threads = [threading.Thread(target=lambda: said.append(in_child(work))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            chancy.sync_push(ECHO)
        for thread in threads:
            thread.join()
        assert said == ["done"] * 3
        assert chancy.sync_count_jobs() == {"default": {"pending": 121}}


async def test_a_forked_child_of_an_async_application_opens_its_own(chancy, new_chancy):
    """Its loop is not there any more: it works in the child's loop, in a block too, and its parent goes on."""
    await chancy.push(ECHO)

    def work() -> str:
        async def pushes() -> str:
            await chancy.push(ECHO)
            async with chancy:
                await chancy.push(ECHO)
            return "done"

        return asyncio.run(pushes())

    assert in_child(work) == "done"
    await chancy.push(ECHO)
    assert await chancy.count_jobs() == {"default": {"pending": 4}}


def test_a_child_lets_go_of_a_worker_s_connections_too(dsn):
    """Not only those of pools: every connection that is opened here leads nowhere in a child."""
    with connect.connect_sync(dsn, application_name="test") as connection:

        def work() -> str:
            try:
                connection.execute("SELECT 1")
            except Exception as error:
                return type(error).__name__
            return "it answered"

        assert in_child(work) == "OperationalError"
        assert connection.execute("SELECT 1").fetchone() == (1,)


# -- loops ---------------------------------------------------------------------------------


def test_another_loop_has_connections_of_its_own(new_chancy):
    """Used in a second loop while the first one runs, each operation works there instead of waiting for ever."""

    async def main() -> None:
        async with new_chancy() as chancy:
            reference = await chancy.push(ECHO)

            async def elsewhere() -> None:
                await chancy.push(ECHO)
                await chancy.push_many([ECHO])
                assert await chancy.get_job(reference)
                assert await chancy.cancel_job(reference)
                assert (await reference.wait(timeout=60)).state == "cancelled"

            await asyncio.to_thread(asyncio.run, elsewhere())
            await chancy.push(ECHO)
            assert await chancy.count_jobs() == {"default": {"pending": 3}}

    asyncio.run(main())


def test_a_second_run_opens_it_again(new_chancy):
    """After asyncio.run has ended without closing it, it works in the next one, and may be opened by a block."""
    chancy = new_chancy()

    async def first() -> None:
        await chancy.open()
        await chancy.push(ECHO)

    async def second() -> None:
        await chancy.push(ECHO)
        async with chancy:
            await chancy.push(ECHO)
            assert await chancy.count_jobs() == {"default": {"pending": 3}}

    asyncio.run(first())
    asyncio.run(second())


async def test_a_chancy_opened_by_two_tasks_at_once_has_one_pool(new_chancy):
    """One of them opens it, and the other is told so."""
    chancy = new_chancy()
    found = await asyncio.gather(chancy.open(), chancy.open(), return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == ["NoneType", "NotOpen"]
    await chancy.push(ECHO)
    await chancy.close()
    with pytest.raises(NotOpen):
        await chancy.push(ECHO)


def test_a_chancy_opened_by_two_threads_at_once_has_one_pool(new_chancy):
    """The same without asyncio."""
    chancy = new_chancy()
    told: list[str] = []

    def opening() -> None:
        try:
            chancy.sync_open()
        except NotOpen as error:
            told.append(str(error))

    threads = [threading.Thread(target=opening) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 3
    chancy.sync_push(ECHO)
    chancy.sync_close()


async def test_a_close_that_is_cancelled_closes_all_the_same(new_chancy, dsn, query, until):
    """Cancelled while a push is in flight, it leaves no connection behind, and the push does not wait for ever."""
    chancy: Chancy = new_chancy()
    await chancy.open()
    await chancy.push(ECHO)
    with psycopg.connect(dsn) as holder:
        holder.execute(f'LOCK TABLE "{chancy.settings.schema}".jobs')
        push = asyncio.create_task(chancy.push(ECHO))
        await until(lambda: waits_for_lock(query))
        closing = asyncio.create_task(chancy.close())
        await asyncio.sleep(0.05)
        closing.cancel()
        with suppress(asyncio.CancelledError):
            await closing
        holder.rollback()
        await asyncio.wait([push])
    await until(lambda: sessions(query) == 0)
    with pytest.raises(NotOpen):
        await chancy.push(ECHO)


async def test_an_opening_that_is_cancelled_leaves_nothing(new_chancy, query, until):
    """Cancelled while it opens, it leaves no connection, and can be opened afterwards."""
    chancy = new_chancy()
    for steps in range(12):
        opening = asyncio.create_task(chancy.open())
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        if opening.cancelled() or opening.exception():
            continue
        await chancy.close()
    async with chancy:
        await chancy.push(ECHO)
