"""What a command has done is told once: it prints it, and only a worker writes events."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
from click.testing import CliRunner

from chancy_core.cli.group import chancy as command
from chancy_core.cli.logs import ConsoleFormatter
from chancy_core.demo.tables import empty_schema, how_to_look


def test_migrate_told_each_step_twice_in_a_terminal(run):
    """As a line of its own, and as an event besides; now once, and in which database that was."""
    *steps, where = run.terminal("migrate").out.splitlines()
    assert all(line.startswith("applied kernel ") for line in steps)
    assert set(Counter(steps).values()) == {1}
    assert where.startswith("The schema ")
    assert " at " in where
    assert where.endswith(" is up to date.")


def test_whoever_asks_for_the_events_of_a_command_gets_them(run):
    """They are left out, not gone: `--log-level info` before any command writes them."""
    done = run("--log-level", "info", "migrate")
    assert len(done.err.splitlines()) == len(done.out.splitlines()) - 1
    assert '"event":"migration_applied"' in done.err


def test_a_worker_began_with_a_screen_full_of_partitions():
    """In a line for a person a long list ends with how many more there are; a short one is whole."""
    record = logging.makeLogRecord({"levelname": "INFO", "msg": "partitions_made", "event": "partitions_made"})
    names = [f"finished_succeeded_p20261128_{number:06}" for number in range(12)]
    record.fields = {"count": 12, "partitions": names}
    line = ConsoleFormatter().format(record)
    assert "partitions_made count=12 partitions=['finished_succeeded_p20261128_000000', " in line
    assert line.endswith("'… 8 more']")
    assert record.fields["partitions"] == names
    record.fields = {"hosts": ["x" * 200, "db2"]}
    assert ConsoleFormatter().format(record).endswith(f"hosts=['{'x' * 200}', '… 1 more']")
    record.fields = {"queues": ["default", "mail"]}
    record.msg = "worker_started queues=['default', 'mail']"
    assert ConsoleFormatter().format(record).endswith("worker_started queues=['default', 'mail']")


def test_config_left_open_which_database_is_used(tmp_path, monkeypatch):
    """Where none is named, it is the embedded one; an empty cell did not say so."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHANCY_DSN", raising=False)
    lines = CliRunner().invoke(command, ["config"]).output.splitlines()
    assert [line.split() for line in lines if " dsn " in line] == [
        ["dsn", "none:", "the", "embedded", "PostgreSQL", "default"]
    ]


async def test_commands_refused_what_the_demo_had_left(dsn, tmp_path, monkeypatch, run):
    """It has the tables of every installed plugin, so that `chancy --schema chancy_demo top` has what it needs."""
    async with empty_schema(dsn):
        everything = {"CHANCY_SCHEMA": "chancy_demo", "CHANCY_DISCOVER": "true"}
        assert run("migrate", "--check", env=everything).code == 0


@pytest.mark.parametrize(("configured", "told"), [(None, True), ("postgresql://elsewhere/app", False)])
def test_the_demo_says_how_to_look_at_its_jobs(tmp_path, monkeypatch, configured, told):
    """Unless the command that it would name looks into another database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHANCY_DSN", raising=False)
    if configured:
        monkeypatch.setenv("CHANCY_DSN", configured)
    assert how_to_look().endswith("chancy --schema chancy_demo jobs state:failed") is told
