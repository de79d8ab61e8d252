"""`chancy migrate --plan | --sql | --check`: what it would do, for whoever may not or will not do it now."""

from __future__ import annotations

import psycopg
import pytest

from chancy_core.store import run_sync
from chancy_core.store.migrate import kernel_migrations, migrate

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables


@pytest.fixture
def made(query, schema):
    """Whether the schema is there."""
    return lambda: query("SELECT to_regnamespace(%s) IS NOT NULL", schema) == [(True,)]


@pytest.mark.parametrize("option", ["--plan", "--sql", "--check"])
def test_looking_at_a_migration_makes_no_schema(run, made, option):
    """Not even where opening would."""
    done = run("migrate", option, env={"CHANCY_AUTO_MIGRATE": "true"})
    assert done.code == (11 if option == "--check" else 0), done.err
    assert not made()


def test_the_plan_names_each_step_and_who_can_live_with_it(run):
    """As text and as JSON; then there is none."""
    lines = run("migrate", "--plan").out.splitlines()
    assert lines[0] == "would apply kernel 1 (older code does not work with the tables after it)"
    assert "would apply kernel 8" in lines
    told = run("migrate", "--plan", "--json").json
    assert (told["fits"], "has not been set up" in told["problem"]) == (False, True)
    assert [step["version"] for step in told["missing"]] == [*range(1, len(lines) + 1)]
    assert told["missing"][7] == {
        "owner": "kernel",
        "version": 8,
        "file": "0008_views.sql",
        "compatible": True,
        "in_transaction": True,
    }
    done = run("migrate", "--json").json
    assert [step["version"] for step in done["applied"]] == [*range(1, len(lines) + 1)]
    assert run("migrate", "--plan").out.startswith("The schema is up to date: schema ")
    assert run("migrate", "--plan", "--json").json["missing"] == []


@pytest.mark.parametrize("from_version", [0, 1, 5])
def test_the_sql_makes_what_migrating_makes(run, dsn, query, schema, from_version):
    """Somebody with the rights runs it by hand; then there is nothing left to do, and the registry is the same."""
    run("migrate")
    columns = "SELECT owner, version, oldest, checksum FROM {s}.migrations ORDER BY owner, version"
    tables = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = %s"
    wanted = query(columns), sorted(query(tables, schema))
    query("DROP SCHEMA {s} CASCADE")
    if from_version:
        migrated_to(dsn, schema, from_version)
    sql = run("migrate", "--sql").out
    done = run("db", "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", given=sql)
    assert done.code == 0, done.err
    assert run("migrate", "--check").code == 0
    assert run("migrate").out.endswith("is up to date.\n")
    assert (query(columns), sorted(query(tables, schema))) == wanted


def migrated_to(dsn: str, schema: str, version: int) -> None:
    """Bring a schema to a version of the kernel's."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        run_sync(connection, migrate(schema, kernel_migrations()[:version]))


def test_a_deploy_can_wait_for_the_schema(run, query):
    """`--check` exits with 0 once the schema fits, and with 11 and the reason until then."""
    done = run("migrate", "--check")
    assert (done.code, "has not been set up" in done.out) == (11, True)
    assert run("migrate").code == 0
    assert run("migrate", "--check").code == 0
    assert run("migrate", "--check", "--json").json["fits"] is True
    query("DELETE FROM {s}.migrations WHERE version > 6")
    done = run("migrate", "--check")
    assert (done.code, "is at version 6 of kernel" in done.out) == (11, True)
    query("INSERT INTO {s}.migrations (owner, version, oldest) VALUES ('kernel', 999, 999)")
    done = run("migrate", "--check")
    assert (done.code, "made by a newer chancy-core" in done.out) == (11, True)
    assert run("migrate", "--sql").code == 1


def test_a_step_that_was_edited_is_told_by_each_of_them(run, query):
    """As `chancy migrate` would."""
    assert run("migrate").code == 0
    query("UPDATE {s}.migrations SET checksum = 'other' WHERE version = 2")
    assert run("migrate", "--check").code == 11
    assert "its statements are not those that were applied" in run("migrate", "--plan").words
    assert run("migrate", "--sql").code == 1


@pytest.mark.parametrize("options", [("--plan", "--check"), ("--sql", "--json"), ("--sql", "--plan")])
def test_options_that_exclude_each_other(run, options):
    """Nothing is done then."""
    assert run("migrate", *options).code == 2


def test_the_codes_are_in_the_help_of_migrate(run):
    """Where whoever writes the deploy looks first."""
    assert "11 with --check: the schema does not fit this code" in run("migrate", "--help").words
    assert "130 Ctrl-C" in run("--help").words
