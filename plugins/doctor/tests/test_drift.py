"""A schema that somebody changed by hand: what is missing, changed or added is told, with what undoes it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import check_told

from chancy import Chancy
from chancy.plugin import find_problems
from chancy_doctor import Doctor
from chancy_doctor.checks import drift
from chancy_doctor.checks.drift import Thing, compare, made_by
from chancy_doctor.look import Declared, Look

MADE = Path(__file__).parents[1] / "src" / "chancy_doctor" / "made"
WRITE = os.environ.get("DOCTOR_MADE") == "write"


def read(dsn: str, schema: str) -> set[Thing]:
    """What a schema holds."""
    text = (MADE.parent / "sql" / "read_made.sql").read_text()
    with psycopg.connect(dsn, autocommit=True) as connection:
        return {Thing(*row) for row in connection.execute(text.encode(), {"schema": schema})}


def owners(chancy: Chancy) -> Iterator[tuple[str, int]]:
    """Who has tables here, and at which version they are."""
    yield from {one.owner: one.version for one in chancy.migrations()}.items()


async def test_what_migrations_make_is_written_down(dsn, schema, query):
    """For the kernel and each plugin that is installed. After a new migration: DOCTOR_MADE=write."""
    plugins = Chancy(dsn, schema=schema).plugins.loaded
    async with Chancy(dsn, schema=schema, discover=False) as chancy:
        await chancy.migrate()
        kernel = read(dsn, schema)
        made = {owner: (version, kernel) for owner, version in owners(chancy)}
    for one in plugins:
        async with Chancy(dsn, schema=schema, discover=False, plugins=[one.plugin]) as chancy:
            before = read(dsn, schema)
            await chancy.migrate()
            for owner, version in owners(chancy):
                made.setdefault(owner, (version, read(dsn, schema) - before))
    assert {"kernel", "cron", "history"} <= made.keys()
    for owner, (version, things) in made.items():
        if WRITE:
            lines = ["\t".join(thing) for thing in sorted(things)]
            (MADE / f"{owner}-{version:04}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
            continue
        assert made_by(owner, version) == things, f"{owner} {version}: write it down with DOCTOR_MADE=write"


SWALLOWS = "CREATE FUNCTION {s}.mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
TRIGGER = "CREATE TRIGGER swallows BEFORE INSERT ON {s}.jobs FOR EACH ROW EXECUTE FUNCTION {s}.mine()"
# What somebody did, and what is told of it; the first of each is the finding's severity.
BY_HAND = {
    "an index": (
        ["DROP INDEX {s}.jobs_due"],
        ["warning", "missing: the index jobs_due of jobs", "CREATE INDEX jobs_due"],
    ),
    "a column": (
        ["ALTER TABLE {s}.queues DROP COLUMN configured"],
        ["error", "missing: the column configured of queues"],
    ),
    "a type": (
        ["ALTER TABLE {s}.queues ALTER COLUMN configured TYPE varchar(99)"],
        ["error", "changed: the column configured of queues is character varying(99), and was made text"],
    ),
    "not null": (["ALTER TABLE {s}.workers ALTER COLUMN tags DROP NOT NULL"], ["error", "the column tags of workers"]),
    "a default": (
        ["ALTER TABLE {s}.jobs ALTER COLUMN created_at DROP DEFAULT"],
        ["error", "the column created_at of jobs"],
    ),
    "a constraint": (
        ["ALTER TABLE {s}.queues DROP CONSTRAINT queues_rate_limit"],
        ["error", "missing: the constraint queues_rate_limit of queues"],
    ),
    "a constraint more": (
        ["ALTER TABLE {s}.jobs ADD CONSTRAINT never CHECK (priority < 100)"],
        ["error", "added: the constraint never of jobs", "DROP CONSTRAINT"],
    ),
    "a column more": (
        ["ALTER TABLE {s}.queues ADD COLUMN team text NOT NULL"],
        ["error", "added: the column team of queues"],
    ),
    "a trigger": ([SWALLOWS, TRIGGER], ["error", "added: the trigger swallows of jobs", "DROP TRIGGER"]),
    "a view": (["DROP VIEW {s}.workers_v1"], ["error", "missing: the view workers_v1", "VIEW"]),
    "a view that is asked": (["DROP VIEW {s}.jobs_v1"], ["error", "missing: the view jobs_v1", "VIEW"]),
    "a partition": (
        ["DROP TABLE {s}.finished_failed_default"],
        ["error", "missing: the partition finished_failed_default"],
    ),
    "an unlogged table": (["ALTER TABLE {s}.workers SET UNLOGGED"], ["error", "is unlogged", "SET LOGGED"]),
    "row-level security": (["ALTER TABLE {s}.jobs ENABLE ROW LEVEL SECURITY"], ["error", "DISABLE ROW LEVEL SECURITY"]),
    "a plugin's table": (["DROP TABLE {s}.cron_fires CASCADE"], ["error", "missing: the table cron_fires"]),
}


async def test_a_change_by_hand_was_not_told(dsn, schema):
    """Each by itself, with its name, and how it was made; where a statement undoes it, with that, which does."""
    async with Chancy(dsn, schema=schema) as chancy, await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(f'DELETE FROM "{schema}".queues'.encode())
        look = Look(chancy, Doctor().thresholds, connection, Declared({}, {}, []), time.monotonic() + 3600)
        assert await drift.check(look) == []
        for statements, (severity, *told) in BY_HAND.values():
            async with connection.transaction(force_rollback=True):
                for each in statements:
                    await connection.execute(each.replace("{s}", f'"{schema}"').encode())
                (found,) = await drift.check(look)
                assert found.severity == severity
                for words in told:
                    assert words in f"{found.what} {found.fix}"
                if found.fix.endswith(";"):
                    await connection.execute(found.fix.encode())
                    assert await drift.check(look) == []


@pytest.mark.parametrize("what", ["a view that is asked", "a trigger"])
async def test_what_other_checks_stand_on_hid_the_cause(dsn, schema, query, monkeypatch, what):
    """The view that most checks read is gone: that is told, and not only that the doctor fails."""
    statements, (severity, told, _) = BY_HAND[what]
    monkeypatch.setenv("CHANCY_DSN", dsn)
    monkeypatch.setenv("CHANCY_SCHEMA", schema)
    async with Chancy() as chancy:
        for each in statements:
            query(each)
        (found,) = [one for one in await find_problems(chancy, within_s=60) if one.id == "schema-drifted"]
        assert told in found.what
        assert found.severity == severity
        if what == "a trigger":
            check_told(found.to_dict(), schema)
        query(found.fix)
        assert await find_problems(chancy, within_s=60) == []


async def test_what_newer_code_made_is_no_drift(dsn, schema, query):
    """A migration that this code does not know, and gets along with."""
    async with Chancy(dsn, schema=schema, discover=False, plugins=[Doctor()]) as chancy:
        query("ALTER TABLE {s}.jobs ADD CONSTRAINT newer CHECK (priority > -99999999)")
        newer = "SELECT 'kernel', max(version) + 1, 1 FROM {s}.migrations WHERE owner = 'kernel'"
        query(f"INSERT INTO {{s}}.migrations (owner, version, oldest) {newer}")
        assert await find_problems(chancy, within_s=60) == []


def test_with_a_table_goes_what_belongs_to_it():
    """One line for a table that is gone, and none for each of its columns."""
    made = [Thing("table", "a", "", ""), Thing("column", "a", "x", "text"), Thing("table", "b", "", "")]
    assert compare(made, made[2:]).missing == made[:1]
