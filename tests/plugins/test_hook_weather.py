"""Hooks and the database's weather: what is nobody's fault is put off, and switches nothing off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from making import ECHO, plugin
from silence import way_to
from support import captured_events, until

from chancy import Chancy, Queue, State, Worker
from chancy_core.plugins.weather import is_outage
from chancy_core.store.session import WorkerConnection

TICKING = {"interval": 0.02}


def put_off(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(e["plugin"], e["hook"], e["error"]) for e in events if e["event"] == "hook_put_off"]


OUTAGES = {
    "read-only": "SET TRANSACTION READ ONLY; CREATE TABLE {s}.x ()",
    "a lock": "SET lock_timeout = 50; LOCK TABLE {s}.held",
    "a time-out of the server's": "SET statement_timeout = 50; SELECT pg_sleep(60)",
    "a session that was ended": "SELECT pg_terminate_backend(pg_backend_pid())",
    "memory": "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53200', MESSAGE = 'out of memory'; END $$",
    "a full disk": "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no space'; END $$",
    "an input/output error": "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '58030', MESSAGE = 'could not read'; END $$",
}


@pytest.mark.parametrize("statement", OUTAGES.values(), ids=OUTAGES)
async def test_a_tick_that_the_database_refuses_for_now_comes_again_soon_and_is_no_failure(
    new_chancy, query, schema, dsn, statement
):
    """An hourly tick meets the state of a server twice, and is called again within seconds; nothing is counted."""
    tries = 0
    ticked = asyncio.Event()

    async def tick(self, tick):
        nonlocal tries
        tries += 1
        if tries > 2:
            ticked.set()
            return
        async with tick.connection() as connection:
            try:
                await connection.execute(statement.replace("{s}", schema).encode())
            finally:
                await connection.close()

    made = plugin("hourly", {"interval": 3600.0}, on_tick=tick)
    with captured_events() as events:
        async with new_chancy(plugins=[made]) as chancy, await psycopg.AsyncConnection.connect(dsn) as holder:
            await holder.execute(f"CREATE TABLE {schema}.held ()".encode())
            await holder.commit()
            await holder.execute(f"LOCK TABLE {schema}.held".encode())
            async with Worker(chancy):
                await asyncio.wait_for(ticked.wait(), 60)
                assert not chancy.plugins.failures
    assert [(name, hook, bool(error)) for name, hook, error in put_off(events)] == [("hourly", "on_tick", True)]


WRONG = ["SELECT nonsense", "SELECT * FROM nowhere", "SELECT 1 / 0", "DO $$ BEGIN RAISE 'no'; END $$"]


@pytest.mark.parametrize("statement", WRONG)
async def test_a_statement_that_is_wrong_is_the_plugins_failure(new_chancy, statement):
    """Names that do not exist, data that cannot be, what a trigger raises: counted and told as before."""

    async def tick(self, tick):
        async with tick.connection() as connection:
            await connection.execute(statement.encode())

    async with new_chancy(plugins=[plugin("wrong", dict(TICKING), on_tick=tick)]) as chancy, Worker(chancy):
        await until(lambda: chancy.plugins.failures["wrong", "on_tick"])


async def test_a_tick_that_waits_for_somebodys_lock_is_not_the_plugins_failure(new_chancy, schema, dsn):
    """Its time is over while another session holds the table: put off, said, and it goes on once the table is free."""
    went: list[int] = []

    async def tick(self, tick):
        async with tick.connection() as connection:
            await connection.execute(f"SELECT count(*) FROM {schema}.held".encode())
        went.append(1)

    made = plugin("waits", {"interval": 0.02, "tick_timeout_s": 2.0}, on_tick=tick)
    # A deadline would end the wait before the tick's time is over.
    type(made).answer_within_s = None
    with captured_events() as events:
        async with new_chancy(plugins=[made]) as chancy, await psycopg.AsyncConnection.connect(dsn) as holder:
            await holder.execute(f"CREATE TABLE {schema}.held ()".encode())
            await holder.commit()
            await holder.execute(f"LOCK TABLE {schema}.held".encode())
            async with Worker(chancy):
                await until(lambda: put_off(events))
                assert not went
                await holder.rollback()
                await until(lambda: went)
                assert not chancy.plugins.failures


async def test_a_lock_that_is_waited_for_is_known_from_a_statement_that_takes_long(new_chancy, schema, monkeypatch):
    """A plugin whose own statement takes too long has failed."""
    monkeypatch.setattr("chancy_core.worker.tick.SILENCE", 100)

    async def tick(self, tick):
        async with tick.connection() as connection:
            await connection.execute("SELECT pg_sleep(60)")

    made = plugin("slow", {"interval": 0.02, "tick_timeout_s": 0.3}, on_tick=tick)
    async with new_chancy(plugins=[made]) as chancy, Worker(chancy):
        await until(lambda: chancy.plugins.failures["slow", "on_tick"])


async def test_a_lock_is_told_when_the_ticks_time_is_over(new_chancy, schema, dsn, monkeypatch):
    """Without a deadline on the connection it is the server that says whom the tick waits for."""
    monkeypatch.setattr("chancy_core.worker.tick.SILENCE", 100)

    async def tick(self, tick):
        async with tick.connection() as connection:
            await connection.execute(f"SELECT count(*) FROM {schema}.held".encode())

    made = plugin("waits", {"interval": 0.02, "tick_timeout_s": 2.0}, on_tick=tick)
    with captured_events() as events:
        async with new_chancy(plugins=[made]) as chancy, await psycopg.AsyncConnection.connect(dsn) as holder:
            await holder.execute(f"CREATE TABLE {schema}.held ()".encode())
            await holder.commit()
            await holder.execute(f"LOCK TABLE {schema}.held".encode())
            async with Worker(chancy):
                await until(lambda: put_off(events))
                assert not chancy.plugins.failures


async def test_no_backend_waits_for_a_lock_for_a_tick_that_has_given_up(new_chancy, schema, dsn, query):
    """However long the lock is held, the sessions that wait for it do not pile up in the server."""

    async def tick(self, tick):
        async with tick.connection() as connection:
            await connection.execute(f"SELECT count(*) FROM {schema}.held /* tick */".encode())

    made = plugin("waits", {"interval": 0.02, "tick_timeout_s": 1.0}, on_tick=tick)
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%{s}.held /* tick%%'"
    ).replace("{s}", schema)
    async with new_chancy(plugins=[made]) as chancy, await psycopg.AsyncConnection.connect(dsn) as holder:
        await holder.execute(f"CREATE TABLE {schema}.held ()".encode())
        await holder.commit()
        await holder.execute(f"LOCK TABLE {schema}.held".encode())
        async with Worker(chancy):
            await until(lambda: chancy.plugins.ticks["waits"] >= 5, within_s=60)
            # One may be about to be ended; if they piled up, there would be more and more of them.
            await until(lambda: query(waiting)[0][0] <= 2)
            await holder.rollback()


@pytest.fixture
def silent(new_chancy, dsn, schema, monkeypatch) -> Callable[..., Any]:
    """Runs a worker whose plugin's hook finds the database silent the first time, until its job has ended."""
    for name, value in {
        "chancy_core.plugins.ending.ON_COMPLETE_S": 2.0,
        "chancy_core.plugins.budgets.CLAIM_BUDGET_S": 2.0,
    }.items():
        monkeypatch.setattr(name, value)
    init = WorkerConnection.__init__

    def hasty(self: Any, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **(named | {"deadline_s": 4.0}))

    monkeypatch.setattr(WorkerConnection, "__init__", hasty)

    async def run(hook: str, seen: Any, queue: Queue | None = None, fields: Any = None) -> list[dict[str, Any]]:
        with captured_events() as events:
            async with new_chancy() as watching, way_to(dsn) as way:
                made = plugin("caught", fields, **{hook: seen(way)})
                if hook == "claim_budget":
                    type(made).enforces = frozenset({"rate_limit"})
                async with Chancy(way.dsn, schema=schema, discover=False, plugins=[made]) as chancy:
                    if queue is not None:
                        await chancy.declare(queue)
                    reference = await watching.push(queue.name if queue else "default", ECHO)
                    async with Worker(chancy, grace_s=1):
                        job = await reference.wait(timeout=60)
                        assert job.state is State.SUCCEEDED
                        assert not chancy.plugins.failures
                        assert chancy.plugins.has(hook, "caught")
        return events

    return run


async def test_a_silent_database_does_not_switch_on_complete_off(silent):
    """The statement that a plugin waits for is never answered: the batch is recorded again, and the hook told again."""
    calls: list[int] = []

    def seen(way):
        async def on_complete(self, outcomes, connection):
            calls.append(1)
            if len(calls) == 1:
                way.silence(connection)
            await connection.execute("SELECT 1")

        return on_complete

    events = await silent("on_complete", seen)
    assert len(calls) >= 2
    assert not [e for e in events if e["event"] in {"hook_failed", "hook_switched_off"}]


async def test_a_silent_database_does_not_switch_claim_budget_off(silent):
    """The queue that it limits is claimed from again on another connection."""
    calls: list[int] = []

    def seen(way):
        async def claim_budget(self, queue, wanted, connection):
            calls.append(1)
            if len(calls) == 1:
                way.silence(connection)
            await connection.execute("SELECT 1")
            return wanted

        return claim_budget

    events = await silent("claim_budget", seen, Queue("api", rate_limit=50, polling_interval=0.1))
    assert len(calls) >= 2
    assert not [e for e in events if e["event"] in {"hook_failed", "hook_switched_off"}]


async def test_another_database_of_a_plugin_that_is_away_costs_the_queue_nothing(new_chancy):
    """It is put off like all weather; the outcomes are recorded at the first try, on the connection that there is."""
    pids: set[int] = set()

    async def on_complete(self, outcomes, connection):
        pids.add(connection.info.backend_pid)
        await psycopg.AsyncConnection.connect("host=127.0.0.1 port=1 connect_timeout=1")

    with captured_events() as events:
        async with new_chancy(plugins=[plugin("elsewhere", on_complete=on_complete)]) as chancy, Worker(chancy):
            for _ in range(3):
                assert (await (await chancy.push(ECHO)).wait(timeout=60)).state is State.SUCCEEDED
            assert not chancy.plugins.failures
    assert len(pids) == 1
    assert len(put_off(events)) == 1


async def test_a_silent_database_does_not_switch_ticks_off(schema, dsn):
    """A tick whose statement is never answered is put off, and the next one has another connection."""
    went: list[int] = []
    calls: list[int] = []

    async with way_to(dsn) as way:

        async def tick(self, tick):
            calls.append(1)
            async with tick.connection() as connection:
                if len(calls) == 1:
                    way.silence(connection)
                await connection.execute("SELECT 1")
            went.append(1)

        made = plugin("caught", {"interval": 0.02, "tick_timeout_s": 3.0}, on_tick=tick)
        chancy = Chancy(way.dsn, schema=schema, discover=False, plugins=[made])
        with captured_events() as events:
            async with chancy, Worker(chancy, grace_s=1):
                await until(lambda: went, within_s=60)
                assert not chancy.plugins.failures
                assert chancy.plugins.has("on_tick", "caught")
        assert len(put_off(events)) == 1


async def test_the_deadline_of_a_tick_ends_with_it(new_chancy):
    """The connection goes back to the pool as it was: what an application waits for is its own business."""
    found: list[Any] = []

    async def tick(self, tick):
        async with tick.connection() as connection:
            found.append((connection, connection.deadline_s))

    made = plugin("t", dict(TICKING), on_tick=tick)
    async with new_chancy(plugins=[made]) as chancy:
        async with Worker(chancy):
            await until(lambda: found)
        connection, during = found[0]
        assert during == pytest.approx(54)
        assert connection.deadline_s != during


def test_what_a_program_does_wrong_is_no_outage():
    """Errors that say nothing of the database, whatever their class."""
    assert not is_outage(ValueError())
    assert not is_outage(TimeoutError())
    assert not is_outage(psycopg.ProgrammingError("no such parameter"))
    assert is_outage(psycopg.OperationalError("the connection is lost"))
