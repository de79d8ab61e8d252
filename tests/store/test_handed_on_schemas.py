"""What an earlier test leaves in its schema never reaches the next one that is given it."""

from __future__ import annotations

import psycopg
import pytest

from chancy_core.app import Chancy
from chancy_core.store import run_sync
from chancy_core.store.migrate import kernel_migrations
from chancy_core.testing.spares import WORTH_A_MODEL, Spares, new_name
from chancy_core.values.job import Job


@pytest.fixture(scope="module")
def spares(dsn):
    """The spares of a process whose tests have needed the kernel's tables a few times."""
    new = Spares(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(WORTH_A_MODEL):
            name = new_name()
            new.expect(name)
            run_sync(connection, new.migrate(name, kernel_migrations()))
            new.end(name)
    yield new
    new.drop()


@pytest.fixture
def begin(dsn, spares):
    """Gives the next test its schema."""

    def begun():
        name = new_name()
        spares.expect(name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            run_sync(connection, spares.migrate(name, kernel_migrations()))
        return name

    return begun


def oid_of(dsn, name):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT to_regnamespace(%s)::oid::int", [name]).fetchone()[0]


def contents(dsn, name):
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [name]
        ).fetchall()
        return [(table, connection.execute(f'TABLE {name}."{table}"'.encode()).fetchall()) for (table,) in tables]


def test_rows_of_an_earlier_test_are_gone(dsn, spares, begin):
    first = begin()
    fresh, oid = contents(dsn, first), oid_of(dsn, first)
    with Chancy(dsn, schema=first, discover=False) as chancy:
        chancy.sync_push_many([Job("a.b", unique_key=f"{n}") for n in range(20)])
        chancy.sync_pause_queue("default")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"UPDATE {first}.migrations SET oldest = 1; DELETE FROM {first}.queues".encode())
    assert contents(dsn, first) != fresh
    spares.end(first)
    second = begin()
    assert oid_of(dsn, second) == oid
    assert contents(dsn, second) == fresh
    spares.end(second)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {s}.jobs ADD COLUMN more text",
        "ALTER TABLE {s}.jobs DROP COLUMN note CASCADE",
        "ALTER TABLE {s}.jobs DROP CONSTRAINT jobs_state",
        "ALTER TABLE {s}.jobs ALTER COLUMN priority SET DEFAULT 7",
        "ALTER TABLE {s}.jobs ALTER COLUMN queue DROP NOT NULL",
        "ALTER TABLE {s}.jobs SET (autovacuum_enabled = false)",
        "CREATE TRIGGER more BEFORE UPDATE ON {s}.jobs EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DROP INDEX {s}.jobs_ready",
        "CREATE INDEX more ON {s}.jobs (func)",
        "DROP VIEW {s}.workers_v1",
        "CREATE OR REPLACE VIEW {s}.more AS SELECT 1 AS one",
        "CREATE TABLE {s}.more (n int)",
        "CREATE FUNCTION {s}.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE {s}.more AS ENUM ('a')",
        "CREATE STATISTICS {s}.more ON queue, state FROM {s}.jobs",
        "CREATE RULE more AS ON DELETE TO {s}.jobs DO INSTEAD NOTHING",
        "GRANT SELECT ON {s}.jobs TO public",
        "GRANT SELECT (id) ON {s}.jobs TO public",
        "GRANT USAGE ON SCHEMA {s} TO public",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT SELECT ON TABLES TO public",
        "ANALYZE {s}.queues",
        "DELETE FROM {s}.migrations WHERE version > 3",
        "INSERT INTO {s}.jobs (id, queue, func) SELECT gen_random_uuid(), 'q', 'f' FROM generate_series(1, 1000)",
    ],
)
def test_a_schema_that_a_test_has_changed_is_not_handed_on(dsn, spares, begin, change):
    name = begin()
    oid = oid_of(dsn, name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(change.replace("{s}", name).encode())
    spares.end(name)
    following = begin()
    assert oid_of(dsn, following) != oid
    assert oid_of(dsn, name) is None
    spares.end(following)


def test_a_process_that_was_left_behind_writes_nothing_into_the_next_test(dsn, spares, begin):
    """Neither with a statement that it has prepared, nor by the name that it knows."""
    name = begin()
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0) as left:
        push = f"INSERT INTO {name}.jobs (id, queue, func) VALUES (gen_random_uuid(), 'q', 'f')".encode()
        left.execute(push)
        spares.end(name)
        following = begin()
        with pytest.raises((psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)):
            left.execute(push)
        with psycopg.connect(dsn) as connection:
            assert connection.execute(f"SELECT count(*) FROM {following}.jobs".encode()).fetchone() == (0,)
        spares.end(following)
