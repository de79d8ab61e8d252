"""One `Chancy` at module level works everywhere: it opens itself at its first use, and is closed at the end."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from opening_diary import Diary
from psycopg.conninfo import make_conninfo
from test_fork_and_loops import in_child

from chancy import Chancy, Job, Queue, Worker
from chancy_core.app.schema import Schema
from chancy_core.errors import DatabaseUnavailable, PluginError, SchemaError

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


@pytest.fixture
def counted(monkeypatch) -> list[Any]:
    """Each time that somebody looks whether the schema fits."""
    looks: list[Any] = []
    look = Schema._look

    def counting(self, **arguments):
        looks.append(arguments)
        return look(self, **arguments)

    monkeypatch.setattr(Schema, "_look", counting)
    return looks


# -- everywhere ----------------------------------------------------------------------------


def test_it_opens_itself_in_each_loop_thread_and_way(new_chancy):
    """Without asyncio, in one loop after another, and in threads that have loops of their own, all at once."""
    chancy = new_chancy()
    chancy.sync_push(ECHO)
    for _ in range(3):
        asyncio.run(chancy.push(ECHO))

    async def several() -> None:
        await asyncio.gather(*(chancy.push(ECHO) for _ in range(5)), asyncio.to_thread(chancy.sync_push, ECHO))
        assert (await chancy.push_many([ECHO]))[0].created

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(asyncio.run, several()) for _ in range(4)]:
            done.result()
        for pushed in [threads.submit(chancy.sync_push, ECHO) for _ in range(8)]:
            pushed.result()
    assert chancy.sync_count_jobs() == {"default": {"pending": 1 + 3 + 4 * 7 + 8}}
    chancy.sync_close()


async def test_a_hundred_first_uses_at_once_open_it_once(new_chancy, counted):
    """Of tasks and of threads: the schema is looked at once by each kind at most, plugins hear of it once."""
    diary = Diary()
    chancy = new_chancy(plugins=[diary.plugin])
    await asyncio.gather(*(chancy.push(ECHO) for _ in range(100)))
    assert len(counted) == 1
    await asyncio.gather(*(asyncio.to_thread(chancy.sync_push, ECHO) for _ in range(20)))
    assert len(counted) == 1
    assert diary.words == ["open"]
    assert await chancy.count_jobs() == {"default": {"pending": 120}}
    await chancy.close()
    assert diary.words == ["open", "close"]


def test_many_threads_at_once_open_it_once(new_chancy, counted):
    """The same without asyncio."""
    chancy = new_chancy()
    ready = threading.Barrier(20)

    def push() -> None:
        ready.wait()
        chancy.sync_push(ECHO)

    with ThreadPoolExecutor(20) as threads:
        for pushed in [threads.submit(push) for _ in range(20)]:
            pushed.result()
    assert len(counted) == 1
    chancy.sync_close()


async def test_a_worker_and_its_jobs_open_it(new_chancy, until):
    """A worker needs no open Chancy, and a schema that is missing is made for it."""
    chancy = new_chancy()
    async with Worker(chancy):
        reference = await chancy.push(ECHO)
        assert (await reference.wait(timeout=60)).state == "succeeded"
    await chancy.close()


async def test_what_a_plugin_needs_of_it_opens_it_too(new_chancy):
    """Its pools, and a connection of its own."""
    chancy = new_chancy()
    await chancy.migrate()
    await chancy.close()
    chancy = new_chancy()
    async with chancy.pool.connection() as connection:
        await connection.execute("SELECT")
    with chancy.sync_pool.connection() as connection:
        connection.execute("SELECT")
    async with chancy.connect(application_name="test") as connection:
        await connection.execute("SELECT")
    await chancy.push(ECHO)
    await chancy.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("before", ["nothing", "sync", "async"])
def test_children_of_a_fork_use_what_their_parent_has_used_before(new_chancy, before):
    """As under a server that loads the application, and forks: with asyncio and without; plugins hear of each."""
    diary = Diary()
    chancy = new_chancy(plugins=[diary.plugin])
    if before == "sync":
        chancy.sync_push(ECHO)
    elif before == "async":
        asyncio.run(chancy.push(ECHO))
    told_before = list(diary.words)

    def work() -> str:
        chancy.sync_push(ECHO)
        asyncio.run(chancy.push(ECHO))
        with ThreadPoolExecutor(4) as threads:
            for pushed in [threads.submit(chancy.sync_push, ECHO) for _ in range(8)]:
                pushed.result()
        chancy.sync_close()
        return " ".join(diary.words[len(told_before) :])

    assert [in_child(work) for _ in range(2)] == ["open close"] * 2
    chancy.sync_push(ECHO)
    assert chancy.sync_count_jobs() == {"default": {"pending": 21 + (before != "nothing")}}
    chancy.sync_close()


# -- failures ------------------------------------------------------------------------------


async def test_a_first_use_that_fails_is_tried_again_by_the_next(new_chancy, dsn, schema, monkeypatch):
    """While the database is away each use says so; once it is there, the same object works."""
    chancy = Chancy(dsn, schema=schema, discover=False)
    monkeypatch.setattr(chancy.connections.database, "_dsn", make_conninfo(dsn, host="/nowhere", connect_timeout=1))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await chancy.push(ECHO)
        with pytest.raises(DatabaseUnavailable):
            await asyncio.to_thread(chancy.sync_push, ECHO)
    monkeypatch.setattr(chancy.connections.database, "_dsn", dsn)
    await chancy.push(ECHO)
    await asyncio.to_thread(chancy.sync_push, ECHO)
    assert await chancy.count_jobs() == {"default": {"pending": 2}}
    await chancy.close()


async def test_a_first_use_that_is_cancelled_leaves_the_others(new_chancy):
    """Each of those who wait for one opening may give up; it goes on for the others."""
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Chancy) -> None:
        began.set()
        await go.wait()

    diary = Diary(slow)
    chancy = new_chancy(plugins=[diary.plugin])
    first, second = asyncio.create_task(chancy.push(ECHO)), asyncio.create_task(chancy.push(ECHO))
    await began.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not second.done()
    go.set()
    await second
    assert diary.words == ["open"]
    await chancy.close()


async def test_an_open_that_is_cancelled_leaves_those_who_only_use_it(new_chancy):
    """Who has called `open` and gives up closes what he opened; a push that waited for that opens it again."""
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Chancy) -> None:
        began.set()
        await go.wait()

    diary = Diary(slow)
    chancy = new_chancy(plugins=[diary.plugin])
    opening = asyncio.create_task(chancy.open())
    await began.wait()
    push = asyncio.create_task(chancy.push(ECHO))
    await asyncio.sleep(0)
    go.set()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert (await push).created
    assert diary.words == ["open", "close", "open"]
    await chancy.close()


async def test_a_hook_that_refuses_is_told_to_each_use(new_chancy):
    """A plugin that does not open fails the push that would have opened it, and nothing stays open."""

    async def refuse(_: Chancy) -> None:
        raise RuntimeError("no room")

    chancy = new_chancy(plugins=[Diary(refuse).plugin])
    found = await asyncio.gather(*(chancy.push(ECHO) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [PluginError] * 3
    assert not chancy.connections.sides


async def test_a_hook_may_use_what_opens_itself(new_chancy):
    """With asyncio, without, and in a thread; nobody waits for himself."""

    async def look(chancy: Chancy) -> None:
        await chancy.count_jobs()
        await asyncio.to_thread(chancy.sync_count_jobs)

    diary = Diary(look)
    chancy = new_chancy(plugins=[diary.plugin])
    await chancy.push(ECHO)
    await chancy.close()
    again = new_chancy(plugins=[diary.plugin])
    await asyncio.to_thread(again.sync_push, ECHO)
    again.sync_close()
    assert diary.words == ["open", "close"] * 2


# -- the schema ----------------------------------------------------------------------------


async def test_a_first_look_makes_no_schema_and_a_first_push_does(new_chancy, query, schema):
    """A name that is misspelt is told by whoever looks, as often as he does; whoever pushes means it."""
    chancy = new_chancy()
    for _ in range(2):
        for look in (chancy.get_all_queues, chancy.count_jobs, chancy.get_workers):
            with pytest.raises(SchemaError, match=f"'{schema}' has not been set up"):
                await look()
        with pytest.raises(SchemaError, match="has not been set up"):
            await asyncio.to_thread(chancy.sync_get_job, "01890a5d-ac96-774b-bcce-b302099a8057")
        with pytest.raises(SchemaError, match="has not been set up"):
            await chancy.pause_queue("default")
    assert query("SELECT to_regnamespace(%s) IS NULL", schema) == [(True,)]
    await chancy.push(ECHO)
    assert await chancy.count_jobs() == {"default": {"pending": 1}}
    await chancy.close()


async def test_looks_and_pushes_at_once_end_with_a_schema(new_chancy):
    """A push that waits for an opening which only looks makes the schema afterwards."""
    chancy = new_chancy()
    looks = [chancy.count_jobs() for _ in range(3)]
    found = await asyncio.gather(*looks, *(chancy.push(ECHO) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(each, SchemaError | dict) for each in found[:3])
    assert not any(isinstance(each, BaseException) for each in found[3:])
    await chancy.close()


@pytest.mark.parametrize("begin", ["push_many", "declare", "migrate", "in a transaction"])
async def test_what_else_an_application_begins_with(new_chancy, dsn, begin):
    """Many jobs, a queue, `migrate`, or a job in a transaction of its own."""
    chancy = new_chancy()
    if begin == "push_many":
        await chancy.push_many([ECHO])
    elif begin == "declare":
        await chancy.declare(Queue("mail"))
    elif begin == "migrate":
        assert await chancy.migrate()
    else:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await chancy.push(ECHO, connection=connection)
    assert await chancy.get_queue("default")
    await chancy.close()


async def test_a_schema_that_was_made_later_is_found(new_chancy):
    """An application that was told that the schema is missing works as soon as somebody has migrated."""
    chancy = new_chancy(auto_migrate=False)
    with pytest.raises(SchemaError):
        await chancy.push(ECHO)
    async with new_chancy() as other:
        await other.migrate()
    await chancy.push(ECHO)
    assert await asyncio.to_thread(chancy.sync_count_jobs) == {"default": {"pending": 1}}
    await chancy.close()
