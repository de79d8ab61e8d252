"""Who can live with a schema: older code beside newer tables, and the registry that says so."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from support import WITHIN_S, captured_events

from chancy import Job, Migration, Worker
from chancy_core.errors import SchemaError
from chancy_core.store import run
from chancy_core.store.migrate import KERNEL, applied, kernel_migrations, migrate, problem

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables

NOW = len(kernel_migrations())
YES = "-- What it is for.\n-- compatible: yes\n\n"
NO = "-- compatible: no\n"


def later(owner: str, *texts: str) -> list[Migration]:
    """Migrations of an owner after those that are known here."""
    first = NOW + 1 if owner == KERNEL else 1
    return [Migration(owner, number, text) for number, text in enumerate(texts, first)]


async def apply(chancy: Any, *more: Migration) -> list[Migration]:
    async with chancy.pool.connection() as connection:
        return await run(connection, migrate(chancy.settings.schema, [*kernel_migrations(), *more]))


async def looked(chancy: Any, *more: Migration) -> SchemaError | None:
    async with chancy.pool.connection() as connection:
        found = await run(connection, applied(chancy.settings.schema))
    return problem(chancy.settings.schema, found, [*kernel_migrations(), *more])


async def works(chancy: Any) -> bool:
    reference = await chancy.push(Job("jobs.noop"))
    return (await reference.wait(timeout=WITHIN_S)).state == "succeeded"


async def test_older_code_works_on_when_newer_tables_are_compatible(new_chancy):
    """A worker that runs, one that starts then, and `migrate` of the older code: all of them go on."""
    async with new_chancy() as old, Worker(old):
        assert len(await apply(old, *later(KERNEL, YES + "ALTER TABLE {schema}.jobs ADD COLUMN more int"))) == 1
        assert await works(old)
        async with new_chancy() as again, Worker(again):
            assert await works(again)
            assert await again.migrate() == []
        assert await apply(old, *later(KERNEL, YES + "ALTER TABLE {schema}.jobs ADD COLUMN more int")) == []


@pytest.mark.parametrize("text", [NO + "SELECT 1", "SELECT 1", "SELECT 1; -- compatible: yes", "SELECT 1;\n" + YES])
async def test_older_code_is_refused_by_tables_that_do_not_say_so(new_chancy, text):
    """Without the line before the first statement nobody has thought about it: refused, with both versions."""
    async with new_chancy() as chancy:
        await apply(chancy, *later(KERNEL, text))
    async with new_chancy() as chancy:
        for use in (lambda: chancy.push(Job("a.b")), lambda: Worker(chancy).start(), chancy.migrate):
            with pytest.raises(SchemaError, match=f"made by a newer chancy-core, .* older than version {NOW + 1} does"):
                await use()


async def test_one_step_that_is_not_compatible_is_enough(new_chancy):
    """Compatible steps after it do not make it compatible; code that knows it lives with those."""
    steps = later(KERNEL, YES + "SELECT 1", NO + "SELECT 2", YES + "SELECT 3", YES + "SELECT 4")
    async with new_chancy() as chancy:
        await apply(chancy, *steps)
        assert await looked(chancy, *steps[:2]) is None
        assert await looked(chancy, *steps[:3]) is None
        for known in (steps[:0], steps[:1]):
            assert f"older than version {NOW + 2}" in str(await looked(chancy, *known))


async def test_steps_that_are_applied_one_by_one_say_the_same(new_chancy):
    """What is recorded does not depend on how many were applied at a time."""
    steps = later(KERNEL, YES + "SELECT 1", NO + "SELECT 2", YES + "SELECT 3")
    async with new_chancy() as chancy:
        for number in range(1, 4):
            await apply(chancy, *steps[:number])
        assert await looked(chancy, *steps[:2]) is None
        assert await looked(chancy, *steps[:1]) is not None


async def test_plugins_say_the_same_of_their_tables(new_chancy):
    """An older version of a plugin is refused, or lives with newer tables; one that is not loaded is never asked."""
    steps = later("p", "CREATE TABLE {schema}.p (n int)", YES + "ALTER TABLE {schema}.p ADD m int", NO + "SELECT 1")
    async with new_chancy() as chancy:
        await apply(chancy, *steps[:2])
        assert await looked(chancy, *steps[:1]) is None
        assert await apply(chancy, *steps[:1]) == []
        await apply(chancy, *steps)
        with pytest.raises(
            SchemaError, match=r"made by a newer version of the plugin 'p', .* older than version 3 does"
        ):
            await apply(chancy, *steps[:2])
        assert await looked(chancy) is None


async def test_a_registry_of_older_code_is_upgraded_in_place(new_chancy, query):
    """It gets its columns with the first step after it; what older code had applied is taken as it is."""
    steps = later(KERNEL, YES + "SELECT 1", YES + "SELECT 2")
    async with new_chancy() as chancy:
        query("ALTER TABLE {s}.migrations DROP COLUMN oldest, DROP COLUMN checksum")
        # Nothing to apply: nothing is changed.
        assert await looked(chancy) is None
        assert await apply(chancy) == []
        assert await apply(chancy, *steps[:1]) == steps[:1]
        assert await looked(chancy) is None
        # Older code applies a step, and knows of no such columns.
        query("INSERT INTO {s}.migrations (owner, version) VALUES ('kernel', %s)", NOW + 2)
        assert f"older than version {NOW + 2}" in str(await looked(chancy, *steps[:1]))
        assert await looked(chancy, *steps) is None


async def test_who_may_only_read_the_registry_needs_no_more(new_chancy, query, dsn, schema):
    """A role without rights on the tables' definitions opens an old registry, and finds nothing to do."""
    async with new_chancy() as chancy:
        query("ALTER TABLE {s}.migrations DROP COLUMN oldest, DROP COLUMN checksum")
        with psycopg.connect(dsn) as reader:
            reader.execute(f"LOCK TABLE {schema}.migrations IN ACCESS SHARE MODE")
            assert await apply(chancy) == []


# -- edited migrations ---------------------------------------------------------------------


async def test_an_edited_migration_is_refused_by_migrate(new_chancy):
    """Its statements are compared: the error names it, and what can be done; nothing is applied meanwhile."""
    one = Migration("p", 1, "CREATE TABLE {schema}.p (n int)", "0001_p.sql")
    edited = one._replace(sql="CREATE TABLE {schema}.p (n bigint)")
    async with new_chancy() as chancy:
        await apply(chancy, one)
        with pytest.raises(SchemaError, match=r"'p' \(0001_p.sql\): its statements are not those") as error:
            await apply(chancy, edited, Migration("p", 2, "SELECT 1"))
        assert await apply(chancy, one) == []
        # What it says helps.
        accept = str(error.value).partition("to the same: ")[2]
        async with chancy.pool.connection() as connection:
            await connection.execute(accept)
        assert len(await apply(chancy, edited, Migration("p", 2, "SELECT 1"))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE {schema}.p (t text DEFAULT 'a -- b;  c')",
        "-- New words.\n\nCREATE   TABLE {schema}.p\n\t(t text /* why */ DEFAULT 'a -- b;  c')  ;\n",
        "-- compatible: yes\nCREATE TABLE {schema}.p (t text -- a\n DEFAULT 'a -- b;  c');;",
    ],
)
async def test_comments_and_white_space_may_be_edited(text):
    """They change no table. What is quoted counts, whatever it looks like."""
    one = Migration("p", 1, "CREATE TABLE {schema}.p (t text DEFAULT 'a -- b;  c');")
    assert one._replace(sql=text).checksum == one.checksum
    assert one._replace(sql=one.sql.replace("b;  c", "b; c")).checksum != one.checksum
    assert one._replace(sql=one.sql.replace("-- b", "")).checksum != one.checksum


async def test_an_edited_migration_stops_no_worker(new_chancy, query):
    """Whoever opens warns, and goes on: the tables are what they were."""
    async with new_chancy():
        query("UPDATE {s}.migrations SET checksum = 'other' WHERE version = 2")
    with captured_events() as events:
        async with new_chancy() as chancy, Worker(chancy):
            assert await works(chancy)
            with pytest.raises(SchemaError, match=r"0002_runs\.sql"):
                await chancy.migrate()
    (event,) = [event for event in events if event["event"] == "migration_edited"]
    assert (event["log_level"], event["owner"], event["version"]) == ("warning", "kernel", 2)
