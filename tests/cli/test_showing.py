"""Tables of commands, in a pipe and on a terminal, and what is said when there is nothing to show."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from rich.table import Table

from chancy import Chancy, Queue
from chancy_core.cli import showing
from chancy_core.cli.group import chancy as command
from chancy_core.cli.showing import looked_at, show_table

LONG = "queue." + "x" * 90


@pytest.fixture
def run(dsn, schema, tmp_path, monkeypatch):
    """Runs the command as in a pipe; the environment names a narrow terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


async def test_a_table_in_a_pipe_is_whole(chancy, run):
    """Each row is a line, nothing is cut or wrapped, and no line ends in blanks."""
    await chancy.declare(Queue(LONG, tags=["has=" + "y" * 60]))
    listed = run("queue", "list").splitlines()
    (line,) = [line for line in listed if line.startswith(f" {LONG}")]
    assert "has=" + "y" * 60 in line
    assert "AutoExecutor" in line
    assert "…" not in "".join(listed)
    assert all(line == line.rstrip() for line in listed)
    settings = run("config")
    assert "payload_limit_bytes" in settings
    assert "…" not in settings


def test_a_table_on_a_terminal_is_as_wide_as_that(monkeypatch, capsys):
    """There it is broken where the terminal ends."""
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("name", box=None)
    table.add_row("word " * 40)
    show_table(table)
    assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setattr(showing, "is_terminal", lambda: True)
    show_table(table)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40


def test_an_empty_list_says_what_it_looked_at(run, query, schema):
    """The schema and the database, so that a slip in one of them is seen."""
    run("migrate")
    query("DELETE FROM {s}.queues")
    listed = run("queue", "list")
    assert listed.startswith(f"No queue is declared in schema {schema!r} at ")
    assert "database postgres" in listed
    assert "chancy queue declare NAME" in listed
    assert f"No worker runs in schema {schema!r} at " in run("plugins")


async def test_a_job_that_is_not_there_says_where_it_is_not(chancy, dsn, schema):
    """It may well be in another schema."""
    arguments = ["--dsn", dsn, "--schema", schema, "job", "01939f3c-7b1e-7c3a-8000-0123456789ab"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert f"There is no job {arguments[-1]} in schema {schema!r} at " in result.output


def test_what_was_looked_at_has_no_secrets():
    """Nor does it need the database."""
    chancy = Chancy("postgresql://me:hunter2@db.example:5433/app", schema="typo", discover=False)
    assert looked_at(chancy) == "schema 'typo' at db.example:5433, database app"
    assert looked_at(Chancy(schema="s", discover=False)).startswith("schema 's' at ")
