"""Migrations: fresh, repeated, concurrent, old, new, forbidden, blocked."""

from __future__ import annotations

import asyncio
import secrets

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from chancy import Chancy, Job, Migration, Worker
from chancy_core.errors import ConfigError, DatabaseUnavailable, SchemaError
from chancy_core.store import migrate as module
from chancy_core.store import run
from chancy_core.store.migrate import KERNEL, kernel_migrations, migrate


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
            with pytest.raises(SchemaError, match=r"has not been set up\. Run `chancy migrate`"):
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
        with pytest.raises(SchemaError, match=r"is at version 0 of kernel, and this code needs \d+\. Run `chancy mig"):
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
