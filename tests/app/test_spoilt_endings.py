"""Whatever an application's plugins do while they are told of ends: what it asked for is done, and they are told."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from hearing_apps import HEARD, writer
from making import ECHO
from support import WITHIN_S, until

from chancy import Chancy, Queue, Worker
from chancy_core.plugins import calling, ending
from chancy_core.values.queuedjob import Cancellation


@pytest.fixture
def heard(chancy, query):
    query(HEARD)
    query("CREATE TABLE {s}.taken (n integer CONSTRAINT taken_once UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    return lambda plugin: query("SELECT id, claims, how FROM {s}.heard WHERE plugin = %s", plugin)


@pytest.fixture
def waiting(query):
    return lambda plugin: query("SELECT id, claims, how FROM {s}.ended WHERE plugin = %s", plugin)


@pytest.fixture
def hastened(monkeypatch) -> None:
    """What a hook may take is a moment, so that tests need not wait for it."""
    monkeypatch.setattr(ending, "ON_END_S", 0.3)
    monkeypatch.setattr(calling, "LETS_GO_WITHIN_S", 0.2)


async def _commit(connection: Any) -> None:
    await connection.execute("COMMIT")


async def _roll_back(connection: Any) -> None:
    await connection.execute("ROLLBACK")


async def _begin_anew(connection: Any) -> None:
    await connection.execute("ROLLBACK")
    await connection.execute("BEGIN")


async def _close(connection: Any) -> None:
    await connection.close()


async def _hang(connection: Any) -> None:
    await connection.execute("SELECT pg_sleep(3600)")


async def _abort(connection: Any) -> None:
    with suppress(psycopg.Error):
        await connection.execute("SELECT nonsense")


async def _die(connection: Any) -> None:
    await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def _cut(connection: Any) -> None:
    connection.cut()
    await connection.execute("SELECT 1")


SPOILS = [_commit, _roll_back, _begin_anew, _close, _hang, _abort, _die, _cut]


async def _all_is_done(app: Chancy) -> list[Any]:
    """Cancel, bring back and purge, and look at the answers. What was to be heard of."""
    await app.declare(Queue("q"))
    references = await app.push_many("q", [ECHO] * 3)
    first, second, third = (reference.identifier for reference in references)
    assert await app.cancel_jobs(references[:2]) == [Cancellation.CANCELLED] * 2
    assert await app.retry_jobs(references[:1]) == references[:1]
    assert await app.delete_queue("q") == 2
    assert {job.state for job in await app.get_jobs(references)} == {"cancelled"}
    return [(first, 0, "cancel"), (second, 0, "cancel"), (first, 1, "retry"), (first, 1, "purge"), (third, 0, "purge")]


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_plugin_that_spoils_the_transaction_spoils_nothing_else(
    new_chancy, heard, waiting, schema, hastened, spoil
):
    """Each answer is right, and each end is heard once by the plugin that is not to blame: here, or on a worker."""
    plugins = [writer(schema, "good"), writer(schema, "spoiler", spoil)]
    async with new_chancy(plugins=plugins) as app:
        ends = await _all_is_done(app)
    async with new_chancy(plugins=[writer(schema, "good")]) as chancy, Worker(chancy):
        await until(lambda: not waiting("good"), WITHIN_S)
    assert sorted(heard("good")) == sorted(ends)
    # What the spoiler committed itself, it has heard; everything else waits for it.
    assert sorted(heard("spoiler") + waiting("spoiler")) == sorted(ends)


async def test_what_is_refused_at_the_commit_is_written_without_it(new_chancy, heard, waiting, query, schema):
    """A constraint that is looked at last: the application's change is done, and the plugin is told later."""
    query("INSERT INTO {s}.taken VALUES (1)")

    async def defer(connection):
        await connection.execute(f"INSERT INTO {schema}.taken VALUES (1)")

    async with new_chancy(plugins=[writer(schema, "good"), writer(schema, "late", defer)]) as app:
        ends = await _all_is_done(app)
        assert app.plugins.failures["late", "on_end"] == 3
    assert sorted(waiting("good")) == sorted(waiting("late")) == sorted(ends)
    assert heard("late") == []


async def test_a_plugin_that_does_not_let_go_is_left_behind(new_chancy, heard, waiting, schema, hastened):
    """Its connection is cut, the change is done without it, and it is not called again in this process."""
    gone_on = asyncio.Event()

    async def deaf(connection):
        ends_at = time.monotonic() + WITHIN_S
        while not gone_on.is_set() and time.monotonic() < ends_at:
            with suppress(asyncio.CancelledError, psycopg.Error):
                async with connection.transaction():
                    await connection.execute("SELECT pg_sleep(3600)")
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    async with new_chancy(plugins=[writer(schema, "good"), writer(schema, "deaf", deaf)]) as app:
        ends = await _all_is_done(app)
        assert app.plugins.failures == {("deaf", "on_end"): 1}
        assert not app.plugins.has("on_end", "deaf")
        gone_on.set()
        await until(lambda: not calling._left, WITHIN_S)
    assert sorted(heard("good") + waiting("good")) == sorted(ends)
    assert sorted(waiting("deaf")) == sorted(ends)
    # It was called no more than once: what came after that, the others were told here.
    assert {how for *_, how in waiting("good")} == {"cancel"}


async def test_whoever_is_cancelled_while_a_plugin_is_told_has_cancelled_nothing(new_chancy, heard, waiting, schema):
    """The transaction is rolled back, and the connection is as good as before."""
    told = asyncio.Event()

    async def wait(connection):
        told.set()
        await asyncio.sleep(3600)

    async with new_chancy(plugins=[writer(schema, "slow", wait)], pool_max_size=1) as app:
        reference = await app.push(ECHO)
        task = asyncio.create_task(app.cancel_job(reference))
        await told.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await reference.get()).state == "pending"
    assert heard("slow") == waiting("slow") == []
