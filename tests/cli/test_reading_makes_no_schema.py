"""A misspelt schema is told by whoever only looks; it does not come into being, with all its tables, and stay."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from chancy import Chancy
from chancy_core.cli.group import chancy as command
from chancy_core.errors import SchemaError

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables

SOME_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def run(dsn, schema):
    """Runs the command for a schema whose name is that of the test, but for its last letter."""

    def call(*arguments: str):
        return CliRunner().invoke(command, ["--dsn", dsn, "--schema", f"{schema}_", *arguments])

    return call


@pytest.fixture
def made(query, schema):
    """Whether the misspelt schema is there."""
    return lambda: query("SELECT to_regnamespace(%s) IS NOT NULL", f"{schema}_") == [(True,)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["queue", "list"],
        ["queue", "declare", "mail"],
        ["queue", "pause", "default"],
        ["queue", "resume", "default"],
        ["queue", "delete", "default"],
        ["job", SOME_ID],
        ["job", SOME_ID, "--cancel"],
        ["job", SOME_ID, "--retry"],
        ["jobs"],
        ["queues"],
        ["workers"],
        ["status"],
        ["failures"],
        ["retry", SOME_ID],
        ["cancel", "state:live", "--yes"],
        ["delete", "state:failed", "--dry-run"],
        ["move", SOME_ID, "--now"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("auto_migrate", [None, "true"])
async def test_a_misspelt_schema_is_told_and_not_made(chancy, run, made, schema, monkeypatch, arguments, auto_migrate):
    """In one line, with the one that was meant; also where opening may migrate."""
    if auto_migrate:
        monkeypatch.setenv("CHANCY_AUTO_MIGRATE", auto_migrate)
    done = run(*arguments)
    assert done.exit_code == 1, done.output
    assert f"The schema '{schema}_' has not been set up in " in done.output
    assert f"Did you mean '{schema}'? To make it: `chancy --schema {schema}_ migrate`" in done.output
    assert "Traceback" not in done.output
    assert not made()


async def test_looking_at_plugins_makes_none_and_shows_what_is_installed(chancy, run, made):
    """Which needs no database."""
    done = run("plugins")
    assert done.exit_code == 0, done.output
    assert "How they do in running workers is not known: The schema" in done.output
    assert not made()


@pytest.mark.parametrize("arguments", [["migrate"], ["push", "a.b"]], ids=" ".join)
async def test_whoever_migrates_or_pushes_makes_it(run, made, query, schema, arguments):
    """A newcomer's first program runs as before."""
    try:
        done = run(*arguments)
        assert done.exit_code == 0, done.output
        assert made()
    finally:
        query(f'DROP SCHEMA IF EXISTS "{schema}_" CASCADE')


async def test_an_application_that_only_reads_is_told_the_same(chancy, dsn, schema, made):
    """At its first use, if it says that it makes no schema; with and without asyncio."""
    told = rf"'{schema}_' has not been set up in .* Did you mean '{schema}'\?"
    async with Chancy(dsn, schema=f"{schema}_", discover=False, auto_migrate=False) as reader:
        with pytest.raises(SchemaError, match=told):
            await reader.get_all_queues()
    with (
        Chancy(dsn, schema=f"{schema}_", discover=False, auto_migrate=False) as reader,
        pytest.raises(SchemaError, match=told),
    ):
        reader.sync_count_jobs()
    assert not made()
