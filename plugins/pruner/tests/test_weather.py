"""What others do in the database: publications, triggers, locks, a clock that is set back."""

from __future__ import annotations

import asyncio
import logging

import psycopg
import pytest

from chancy import Worker, job
from chancy_pruner import Pruner
from chancy_pruner.store import PrunerStore

DAY = 86_400
LEFT = "SELECT count(*) FROM {s}.finished_jobs"


@job()
async def nothing():
    """Does nothing."""


@pytest.fixture
def ask(query):
    """Runs a statement beside a worker of this process, whose locks it may have to wait for."""

    async def run(text):
        return await asyncio.to_thread(query, text)

    return run


@pytest.fixture
def left(ask):
    """Whether no finished job is left, of all or of some."""

    async def none(where="true"):
        return await ask(f"{LEFT} WHERE {where}") == [(0,)]

    return none


@pytest.fixture
def events(caplog):
    """The events of one name that were logged, as their fields."""
    caplog.set_level(logging.INFO, "chancy")
    return lambda name: [record.fields for record in caplog.records if getattr(record, "event", None) == name]


@pytest.fixture
def published(chancy, schema, query):
    """The tables of the test's schema are published, as FOR ALL TABLES does with those of a whole database."""
    if query("SELECT current_setting('server_version_num')::int < 150000")[0][0]:
        pytest.skip("the tables of one schema can be published from PostgreSQL 15 on")
    query(f'CREATE PUBLICATION {schema}_all FOR TABLES IN SCHEMA "{schema}"')
    yield
    query(f"DROP PUBLICATION {schema}_all")


async def run(chancy, pruner):
    async with chancy.pool.connection() as connection:
        return await pruner.rounds().run(PrunerStore(chancy.settings.schema, connection), budget_s=300)


async def test_what_is_published_is_deleted_all_the_same(chancy, published, finish, partition, query):
    """The partitions that refuse it for want of a replica identity are given one, and the jobs go in the same round."""
    partition(10 * DAY, 5 * DAY, "failed")
    finish(10, 2 * DAY)
    finish(10, 7 * DAY, "failed", func="noise.tick")
    done = await run(chancy, Pruner(rules=[{"func": "noise.*", "keep": {"failed": "1h"}}]))
    assert (done.deleted.total(), done.put_off) == (20, {})
    assert query(LEFT) == [(0,)]


async def test_partitions_that_it_makes_let_jobs_be_deleted_where_they_are_published(chancy, query):
    """Each has a replica identity from the beginning."""
    done = await run(chancy, Pruner())
    assert done.made
    found = query("SELECT DISTINCT relreplident::text FROM pg_class WHERE relname = ANY (%s)", done.made)
    assert found == [("f",)]


async def test_what_cannot_be_deleted_is_said_at_once_and_shown(
    new_chancy, published, finish, query, ask, left, until, events
):
    """Somebody wants a partition without replica identity: a warning with what to do, and the status says so."""
    pruner = Pruner(interval=0.05)
    async with new_chancy(pruner) as chancy:
        query("ALTER TABLE {s}.finished_succeeded_default REPLICA IDENTITY NOTHING")
        finish(10, 2 * DAY)
        finish(10, 20 * DAY, "failed")
        async with Worker(chancy):
            (told, *_) = await until(lambda: events("pruning_put_off"), within_s=60)
            assert (told["outcome"], told["what"], told["rounds"]) == ("succeeded", "delete from", 1)
            assert "REPLICA IDENTITY FULL" in told["why"]
            (status,) = chancy.plugins.status().plugins
            assert "replica identity" in status.error
            await until(lambda: left("state = 'failed'"), within_s=60)
            assert not chancy.plugins.failures
            await ask("ALTER TABLE {s}.finished_succeeded_default REPLICA IDENTITY FULL")
            await until(lambda: left("state = 'succeeded'"), within_s=60)
            await until(lambda: pruner.trouble() is None, within_s=60)


async def test_a_partition_that_lets_nothing_go_costs_itself_alone(chancy, finish, query):
    """A trigger of somebody's refuses each delete of one outcome: the others are pruned, and its words are told."""
    query(
        "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'audited, keep out'; END $$; "
        "CREATE TRIGGER refuse BEFORE DELETE ON {s}.finished_cancelled_default EXECUTE FUNCTION {s}.refuse()"
    )
    for state in ("succeeded", "failed", "cancelled"):
        finish(10, 20 * DAY, state)
    done = await run(chancy, Pruner())
    assert "audited, keep out" in done.put_off["cancelled", "delete from"]
    assert query("SELECT state, count(*) FROM {s}.finished_jobs GROUP BY 1") == [("cancelled", 10)]


@pytest.mark.parametrize("state", ["25006", "53100", "57P01"])
async def test_the_state_of_the_server_is_nobodys_failure(new_chancy, finish, query, ask, left, until, events, state):
    """Read-only, a full disk, a session that is ended: said once, and it prunes once that is over."""
    async with new_chancy(Pruner(interval=0.05)) as chancy:
        query(
            "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'not now'; END $$; "
            "CREATE TRIGGER refuse BEFORE DELETE ON {s}.finished_succeeded_default EXECUTE FUNCTION {s}.refuse()"
        )
        finish(10, 2 * DAY)
        async with Worker(chancy):
            await until(lambda: events("tick_put_off"), within_s=60)
            ticks = chancy.plugins.ticks["pruner"]
            await until(lambda: chancy.plugins.ticks["pruner"] >= ticks + 3, within_s=60)
            await ask("DROP TRIGGER refuse ON {s}.finished_succeeded_default")
            await until(lambda: left("func = 'a.b'"), within_s=60)
            assert not chancy.plugins.failures
    assert len(events("tick_put_off")) == 1


async def test_a_lock_on_the_finished_jobs_is_waited_out(new_chancy, finish, dsn, schema, left, until):
    """Somebody holds the whole table for a while: nothing is counted as failed, and it prunes afterwards."""
    async with new_chancy(Pruner(interval=0.05, tick_timeout_s=3.0)) as chancy:
        finish(10, 2 * DAY)
        async with await psycopg.AsyncConnection.connect(dsn) as holder:
            await holder.execute(f'LOCK TABLE "{schema}".finished_jobs'.encode())
            async with Worker(chancy):
                await until(lambda: chancy.plugins.ticks["pruner"] >= 2, within_s=60)
                await holder.rollback()
                await until(left, within_s=60)
                assert not chancy.plugins.failures


async def test_a_clock_that_is_set_back_leaves_partitions_and_deletes_nothing_early(chancy, finish, query):
    """Partitions and jobs that lie ahead stay until their time to keep is over by the clock that there is."""
    first = await run(chancy, Pruner())
    assert first.made
    finish(10, -3 * 3600)
    done = await run(chancy, Pruner())
    assert (done.dropped, done.deleted.total(), done.put_off) == ([], 0, {})
    assert query(LEFT) == [(10,)]
