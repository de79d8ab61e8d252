"""Steps outside of a transaction: indexes that are made while everybody works, and mended when that was broken off."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from ownservers import own_database
from psycopg.conninfo import make_conninfo
from support import WITHIN_S, until

from chancy import Chancy, Job, Migration, Worker
from chancy_core.errors import SchemaError
from chancy_core.store import outside, run
from chancy_core.store.migrate import kernel_migrations, migrate

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables

NOTES = Migration(
    "p", 1, "CREATE TABLE {schema}.notes (n int); INSERT INTO {schema}.notes SELECT generate_series(1, 1000)"
)
INDEX = Migration(
    "p",
    2,
    "-- Found by number.\n-- without transaction\n-- compatible: yes\n"
    "CREATE INDEX CONCURRENTLY by_n ON {schema}.notes (n);\n",
    "0002_by_n.sql",
)
MORE = Migration("p", 3, "ALTER TABLE {schema}.notes ADD COLUMN more int")
ALL = [*kernel_migrations(), NOTES, INDEX, MORE]
# So long a fresh attempt may wait for somebody else's transaction.
SOON = "300ms"


@pytest.fixture(scope="module")
def dsn(dsn: str) -> Iterator[str]:
    """A database of its own: such an index waits for whatever is open in the whole database, other tests' work too."""
    with own_database(dsn) as made:
        yield made


async def apply(chancy: Chancy, *wanted: Migration, **options: Any) -> list[int]:
    async with chancy.pool.connection() as connection:
        done = await run(connection, migrate(chancy.settings.schema, wanted or ALL, **options))
    return [one.version for one in done]


@pytest.fixture
async def chancy(chancy):
    """An application whose schema has a table that an index is to be made for."""
    await apply(chancy, *ALL[:-2])
    return chancy


def indexes(query) -> list[tuple[str, bool]]:
    return query(
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "WHERE indrelid = '{s}.notes'::regclass"
    )


async def test_an_index_is_made_outside_of_a_transaction(chancy, query):
    """Step by step: what follows it waits for it; all are recorded, and a second run finds nothing to do."""
    assert await apply(chancy) == [2, 3]
    assert indexes(query) == [("by_n", True)]
    assert query("SELECT version, oldest FROM {s}.migrations WHERE owner = 'p' ORDER BY 1") == [(1, 1), (2, 1), (3, 3)]
    assert await apply(chancy) == []
    # Nothing of it stays with the session.
    async with chancy.pool.connection() as connection:
        for name in ("lock_timeout", "statement_timeout"):
            assert (await (await connection.execute(f"SHOW {name}".encode())).fetchone())[0] == "0"
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
    assert query(locks, zlib.crc32(chancy.settings.schema.encode())) == [(0,)]


async def test_in_a_new_schema_it_is_made_with_its_table(dsn, query, schema):
    """Nobody uses the tables of a schema that is being made: all or nothing, and no old transaction is waited for."""
    async with Chancy(dsn, schema=schema, discover=False, auto_migrate=False) as chancy:
        with psycopg.connect(dsn) as other:
            other.execute("SELECT pg_current_xact_id(), count(*) FROM pg_class")
            assert len(await apply(chancy, pooler=True)) == len(ALL)
    assert indexes(query) == [("by_n", True)]


async def test_writers_are_not_held_up(chancy, query, dsn, schema):
    """While the index is made, which waits for a transaction that goes on, others write to the table, and jobs run."""
    async with Worker(chancy):
        with psycopg.connect(dsn) as old:
            old.execute(f"INSERT INTO {schema}.notes VALUES (0)")
            making = asyncio.create_task(apply(chancy))
            await until(lambda: indexes(query) == [("by_n", False)])
            query("INSERT INTO {s}.notes VALUES (1)")
            query("UPDATE {s}.notes SET n = 2 WHERE n = 1")
            assert (await (await chancy.push(Job("jobs.noop"))).wait(timeout=WITHIN_S)).state == "succeeded"
            assert not making.done()
            old.commit()
        assert await making == [2, 3]
    assert indexes(query) == [("by_n", True)]


async def test_it_gives_up_on_an_old_transaction_and_says_on_which(chancy, query, dsn, schema, monkeypatch):
    """The error names the session; what is left of the index is dropped now or by the next attempt, which succeeds."""
    with psycopg.connect(dsn, application_name="a long report") as old:
        old.execute(f"INSERT INTO {schema}.notes VALUES (0)")
        # Only this attempt is in a hurry.
        with monkeypatch.context() as hurry:
            hurry.setattr(outside, "WAITS", SOON)
            hurry.setattr(outside, "CLEARS_WITHIN", SOON)
            with pytest.raises(SchemaError, match=r"\(0002_by_n\.sql\) waited 300ms") as error:
                await apply(chancy)
        assert f"session {old.info.backend_pid} (a long report" in str(error.value)
        assert "by_n is left unfinished" in str(error.value)
        assert query("SELECT max(version) FROM {s}.migrations WHERE owner = 'p'") == [(1,)]
    assert await apply(chancy) == [2, 3]
    assert indexes(query) == [("by_n", True)]


async def test_whoever_is_killed_in_the_middle_is_mended(chancy, query, dsn, schema):
    """The session is ended while it makes the index, which leaves an invalid one: the next attempt makes it anew."""
    with psycopg.connect(dsn) as old:
        old.execute(f"INSERT INTO {schema}.notes VALUES (0)")
        making = asyncio.create_task(apply(chancy))
        await until(lambda: indexes(query) == [("by_n", False)])
        query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'CREATE INDEX CONCURRENTLY%%{s}.notes%%' AND pid <> pg_backend_pid()"
        )
        with pytest.raises((SchemaError, psycopg.OperationalError)):
            await making
    assert indexes(query) == [("by_n", False)]
    assert await apply(chancy) == [2, 3]
    assert indexes(query) == [("by_n", True)]


async def test_whoever_is_cancelled_in_the_middle_holds_nothing(chancy, query, dsn, schema):
    """The lock of the migrations is let go, so that the next attempt does not wait for ever."""
    with psycopg.connect(dsn) as old:
        old.execute(f"INSERT INTO {schema}.notes VALUES (0)")
        making = asyncio.create_task(apply(chancy))
        await until(lambda: indexes(query) == [("by_n", False)])
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
    assert await apply(chancy) == [2, 3]


async def test_what_was_done_but_not_recorded_is_not_done_again(chancy, query):
    """Killed between the index and its record: the index is whole, and is kept."""
    query("CREATE INDEX by_n ON {s}.notes (n)")
    oid = query("SELECT '{s}.by_n'::regclass::oid")
    assert await apply(chancy) == [2, 3]
    assert query("SELECT '{s}.by_n'::regclass::oid") == oid


async def test_several_at_once_make_it_once(chancy, query, dsn, schema):
    """Whoever waits for the other holds nothing that the other waits for: all end, and one has applied each step."""
    with psycopg.connect(dsn) as old:
        old.execute(f"INSERT INTO {schema}.notes VALUES (0)")
        tasks = [asyncio.create_task(apply(chancy)) for _ in range(5)]
        await until(lambda: indexes(query) == [("by_n", False)])
        # The others have met the lock by now, and ask again and again.
        waiting = "SELECT count(*) >= 2 FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(0.2)%%'"
        await until(lambda: query(waiting) == [(True,)])
        old.commit()
    assert sorted(await asyncio.gather(*tasks)) == [[], [], [], [], [2, 3]]
    assert indexes(query) == [("by_n", True)]


async def test_an_index_that_cannot_be_made_is_told_and_leaves_nothing(chancy, query):
    """Values that are there twice: the plugin's file is named, the index is dropped, and the mended file is applied."""
    query("INSERT INTO {s}.notes VALUES (1)")
    unique = INDEX._replace(sql=INDEX.sql.replace("CREATE INDEX", "CREATE UNIQUE INDEX"))
    with pytest.raises(SchemaError, match=r"plugin 'p' \(0002_by_n\.sql\) failed: UniqueViolation"):
        await apply(chancy, *ALL[:-2], unique, MORE)
    assert indexes(query) == []
    assert await apply(chancy) == [2, 3]


async def test_a_pooler_is_refused_before_anything_is_done(chancy, query):
    """The lock and the settings of a session are not one's own there: the error says how to reach PostgreSQL itself."""
    with pytest.raises(SchemaError, match=r"through a transaction pooler.*chancy --dsn"):
        await apply(chancy, pooler=True)
    assert indexes(query) == []
    assert await apply(chancy) == [2, 3]
    assert await apply(chancy, pooler=True) == []


async def test_the_other_steps_without_transaction(chancy, query):
    """Constraints are validated and indexes dropped while everybody works, and either may be repeated."""
    steps = [
        MORE._replace(sql="ALTER TABLE {schema}.notes ADD CONSTRAINT positive CHECK (n > 0) NOT VALID"),
        Migration("p", 4, "-- without transaction\nALTER TABLE {schema}.notes VALIDATE CONSTRAINT positive"),
        Migration("p", 5, "-- without transaction\nDROP INDEX CONCURRENTLY IF EXISTS {schema}.by_n"),
    ]
    assert await apply(chancy, *ALL[:-1], *steps) == [2, 3, 4, 5]
    assert indexes(query) == []
    validated = "SELECT convalidated FROM pg_constraint WHERE conrelid = '{s}.notes'::regclass AND conname = 'positive'"
    assert query(validated) == [(True,)]
    query("DELETE FROM {s}.migrations WHERE owner = 'p' AND version > 3")
    assert await apply(chancy, *ALL[:-1], *steps) == [4, 5]


async def test_a_statement_timeout_of_the_role_does_not_end_it(chancy, query, dsn, schema):
    """A large table takes longer than any statement of an application may."""
    limited = make_conninfo(dsn, options="-c statement_timeout=1s")
    async with Chancy(limited, schema=schema, discover=False) as other:
        with psycopg.connect(dsn) as old:
            old.execute(f"INSERT INTO {schema}.notes VALUES (0)")
            making = asyncio.create_task(apply(other))
            await until(lambda: indexes(query) == [("by_n", False)])
            ((began,),) = query("SELECT clock_timestamp()")
            await until(lambda: query("SELECT clock_timestamp() - %s > interval '1.5 s'", began) == [(True,)])
            assert not making.done()
            old.commit()
        assert await making == [2, 3]
