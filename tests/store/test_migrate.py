"""Migrations: fresh, repeated, concurrent, old, new, forbidden, blocked."""

from __future__ import annotations

import asyncio
import secrets

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support import WITHIN_S

from chancy import Chancy, Job, Migration, Worker, read_migrations
from chancy_core.errors import ConfigError, DatabaseUnavailable, SchemaError
from chancy_core.store import migrate as module
from chancy_core.store import run
from chancy_core.store.migrate import KERNEL, kernel_migrations, migrate, problem

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables


@pytest.fixture
def admin(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


async def test_a_fresh_schema_is_made_on_open_and_migrate_repeats_harmlessly(new_chancy):
    """Opening makes a schema that does not exist; migrating again applies nothing."""
    async with new_chancy() as chancy:
        assert [m.owner for m in chancy.migrated] == [KERNEL] * len(kernel_migrations())
        assert await chancy.migrate() == []


async def test_auto_migrate_off_says_what_to_run(new_chancy):
    """Without auto_migrate a missing schema is an error that names the command; migrate() then mends it."""
    async with new_chancy(auto_migrate=False) as chancy:
        for use in (lambda: chancy.push(Job(func="a.b")), lambda: Worker(chancy).start(), chancy.get_all_queues):
            with pytest.raises(SchemaError, match=r"has not been set up in .* To make it: `chancy"):
                await use()
        await chancy.migrate()
        await chancy.push(Job(func="a.b"))


async def test_five_at_once(new_chancy):
    """Five runners at the same moment: one applies, the others find nothing to do."""
    chancies = [new_chancy() for _ in range(5)]
    await asyncio.gather(*(chancy.open() for chancy in chancies))
    applied = [len(chancy.migrated) for chancy in chancies]
    await asyncio.gather(*(chancy.close() for chancy in chancies))
    assert sorted(applied) == [0, 0, 0, 0, len(kernel_migrations())]


async def test_an_older_schema_is_not_used(new_chancy, admin, schema):
    """Code that needs a later version says which it found, which it needs, and what to run."""
    async with new_chancy():
        pass
    admin.execute(f"DELETE FROM {schema}.migrations WHERE version = {len(kernel_migrations())}")
    admin.execute(f"INSERT INTO {schema}.migrations VALUES ('other', 1)")
    async with new_chancy() as chancy:
        with pytest.raises(
            SchemaError, match=r"is at version \d+ of kernel, and this code needs \d+\. Run `chancy --schema \w+ mig"
        ):
            await Worker(chancy).start()


async def test_a_newer_schema_is_neither_used_nor_changed(new_chancy, admin, schema):
    """A schema made by newer code is refused by pushes, workers and migrate."""
    async with new_chancy():
        pass
    admin.execute(f"INSERT INTO {schema}.migrations VALUES ('kernel', 99)")
    async with new_chancy() as chancy:
        for use in (lambda: chancy.push(Job(func="a.b")), lambda: Worker(chancy).start(), chancy.migrate):
            with pytest.raises(SchemaError, match="made by a newer chancy-core"):
                await use()


async def test_schemas_are_applications_of_their_own(dsn, new_chancy, admin):
    """Two schemas in one database share nothing."""
    other = f"test_{secrets.token_hex(6)}"
    try:
        async with new_chancy() as one, Chancy(dsn, schema=other, discover=False) as two:
            reference = await one.push(Job(func="a.b"))
            assert await two.get_job(reference) is None
            assert await two.count_jobs() == {}
    finally:
        admin.execute(f"DROP SCHEMA {other} CASCADE")


@pytest.mark.parametrize("schema_name", ["", "Capital", "with space", "x" * 49, "1st", "pg_mine", 'quo"te'])
def test_a_schema_that_cannot_be_is_refused(dsn, schema_name):
    """Names that PostgreSQL would change or refuse are refused, with the rule."""
    with pytest.raises(ConfigError, match="schema"):
        Chancy(dsn, schema=schema_name)


async def test_no_permission_to_make_the_schema(dsn, admin, schema):
    """A role that may not create a schema gets the statements that an administrator has to run."""
    role = f"role_{secrets.token_hex(4)}"
    admin.execute(f"CREATE ROLE {role} LOGIN")
    try:
        # The embedded server lets in the owner only; SET ROLE has the same rights.
        limited = make_conninfo(dsn, options=f"-c role={role}")
        with pytest.raises(SchemaError, match=f'CREATE SCHEMA "{schema}" AUTHORIZATION'):
            await Chancy(limited, schema=schema, discover=False).open()
    finally:
        admin.execute(f"DROP ROLE {role}")


async def test_a_schema_that_may_not_be_used(dsn, admin, schema, new_chancy):
    """A role without rights on an existing schema gets the grants it lacks, and with those it pushes and works."""
    role = f"role_{secrets.token_hex(4)}"
    admin.execute(f"CREATE ROLE {role} LOGIN")
    limited = make_conninfo(dsn, options=f"-c role={role}")
    try:
        async with new_chancy():
            pass
        with pytest.raises(SchemaError, match="permission denied for schema") as caught:
            await Chancy(limited, schema=schema, discover=False).open()
        for grant in str(caught.value).split("run: ")[1].split("; "):
            admin.execute(grant.replace("<this role>", role))
        async with Chancy(limited, schema=schema, discover=False) as chancy, Worker(chancy):
            assert (await (await chancy.push(Job(func="jobs.noop"))).wait(timeout=WITHIN_S)).state == "succeeded"
            # Only its owner changes it, and there is nothing to change.
            assert await chancy.migrate() == []
    finally:
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")


async def test_a_schema_that_an_administrator_has_made(dsn, admin, schema):
    """In an empty schema of its own a role needs no right to create schemas; in another's it is told what it lacks."""
    role = f"role_{secrets.token_hex(4)}"
    admin.execute(f"CREATE ROLE {role} LOGIN")
    limited = make_conninfo(dsn, options=f"-c role={role}")
    try:
        admin.execute(f"CREATE SCHEMA {schema}")
        admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        with pytest.raises(SchemaError, match="No permission to set up the schema"):
            await Chancy(limited, schema=schema, discover=False).open()
        admin.execute(f"ALTER SCHEMA {schema} OWNER TO {role}")
        async with Chancy(limited, schema=schema, discover=False) as chancy:
            assert len(chancy.migrated) == len(kernel_migrations())
    finally:
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")


async def test_a_migration_that_fails_leaves_nothing_of_itself(new_chancy, admin, schema):
    """All that is missing is applied in one transaction: of three steps of which the last fails, none is there."""
    async with new_chancy() as chancy:
        wanted = [
            *kernel_migrations(),
            Migration("p", 1, "CREATE TABLE {schema}.one (n int)"),
            Migration("p", 2, "CREATE TABLE {schema}.two (n int); INSERT INTO {schema}.one VALUES (1)"),
            Migration("p", 3, "SELECT 1 / 0"),
        ]
        async with chancy.pool.connection() as connection:
            with pytest.raises(SchemaError, match=r"Migration 3 of the plugin 'p' failed, .*division by zero"):
                await run(connection, migrate(schema, wanted))
            found = admin.execute("SELECT to_regclass(%s)", [f"{schema}.one"]).fetchone()
            assert found == (None,)
            assert len(await run(connection, migrate(schema, wanted[:-1]))) == 2
    assert admin.execute(f"SELECT owner, version FROM {schema}.migrations WHERE owner = 'p' ORDER BY 2").fetchall() == [
        ("p", 1),
        ("p", 2),
    ]


async def test_five_migrations_of_an_older_schema_at_once(new_chancy, schema):
    """Five runners that bring the same schema up to date at the same moment apply each step once."""
    wanted = [*kernel_migrations(), *(Migration("p", n, f"CREATE TABLE {{schema}}.t{n} ()") for n in range(1, 6))]
    async with new_chancy() as chancy:

        async def one() -> int:
            async with chancy.pool.connection() as connection:
                return len(await run(connection, migrate(schema, wanted)))

        assert sorted(await asyncio.gather(*(one() for _ in range(5)))) == [0, 0, 0, 0, 5]


def test_migrations_are_counted_without_gaps(tmp_path, monkeypatch):
    """A plugin whose files skip or repeat a number is told so, with the numbers."""
    package = tmp_path / "gappy"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("0001_one.sql", "0003_three.sql", "notes.txt"):
        (package / name).write_text("SELECT 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SchemaError, match=r"migrations of gappy are numbered \[1, 3\]: count from 1, without gaps"):
        read_migrations("gappy", "gappy")
    (package / "0002_two.sql").write_text("SELECT 2")
    assert [(m.version, m.sql) for m in read_migrations("gappy", "gappy")] == [
        (1, "SELECT 1"),
        (2, "SELECT 2"),
        (3, "SELECT 1"),
    ]


async def test_a_blocked_migration_gives_up_and_changes_nothing(new_chancy, admin, schema, monkeypatch):
    """A migration that cannot have its lock gives up soon, instead of making everyone wait behind it."""
    monkeypatch.setattr(module, "LOCK_TIMEOUT", "100ms")
    async with new_chancy() as chancy:
        wanted = [*kernel_migrations(), Migration("slow", 1, "ALTER TABLE {schema}.jobs ADD COLUMN slow int")]
        with admin.transaction():
            admin.execute(f"LOCK TABLE {schema}.jobs IN ACCESS SHARE MODE")
            with pytest.raises(SchemaError, match="waited 100ms for a lock and gave up"):
                async with chancy.pool.connection() as connection:
                    await run(connection, migrate(schema, wanted))
        async with chancy.pool.connection() as connection:
            assert [m.owner for m in await run(connection, migrate(schema, wanted))] == ["slow"]


@pytest.mark.parametrize(
    ("dsn_given", "says"),
    [
        ("nonsense", "not a PostgreSQL connection string"),
        ("postgresql://me:hush@127.0.0.1:1/x", "Connection refused"),
        ("postgres//me:hush@host/x", "not a PostgreSQL connection string"),
    ],
)
async def test_no_server_is_told_without_the_password(dsn_given, says):
    """A wrong DSN or a server that is not there: what was tried, and why, without secrets."""
    with pytest.raises(DatabaseUnavailable, match=says) as caught:
        await Chancy(dsn_given, discover=False).open()
    assert "hush" not in str(caught.value)


def test_the_command_in_an_error_about_tables_can_be_pasted():
    """It names a schema that is not the usual one, as a shell needs it."""
    for schema, typed in (("chancy", "chancy migrate"), ("my schema", "chancy --schema 'my schema' migrate")):
        assert f"Run `{typed}`" in str(problem(schema, None, []))
