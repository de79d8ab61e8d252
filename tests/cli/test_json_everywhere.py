"""What a command prints for people, it prints for programs: one document, with `--json`."""

from __future__ import annotations

import click
import msgspec
import pytest
from click.testing import CliRunner
from test_reference_page import commands

from chancy_core.cli.group import chancy as command

# They run until they are stopped, print what somebody else reads, or are somebody else's program.
WITHOUT = {"worker", "demo", "completion", "db psql", "db stop"}


@pytest.mark.parametrize("path", sorted(set(commands()) - WITHOUT))
def test_every_command_prints_json(path):
    """It has the option."""
    names = [name for option in commands()[path].params if isinstance(option, click.Option) for name in option.opts]
    assert "--json" in names


def test_what_changes_a_queue_prints_it(chancy_json):
    """As it stands after that."""
    declared = chancy_json("queue", "declare", "mail", "--concurrency", "3")
    assert (declared["queue"]["concurrency"], declared["as_wanted"]) == (3, True)
    assert chancy_json("queue", "declare", "mail", "--concurrency", "4")["as_wanted"] is False
    paused = chancy_json("queue", "pause", "mail", "--for", "2h")["queue"]
    assert (paused["state"], paused["resume_at"] is not None) == ("paused", True)
    assert chancy_json("queue", "resume", "mail")["queue"]["state"] == "active"
    assert chancy_json("queue", "delete", "mail") == {"name": "mail", "cancelled": 0}
    assert [queue["name"] for queue in chancy_json("queue", "list")["queues"]] == ["default"]


def test_settings_and_plugins_are_documents(chancy_json):
    """Those without a value as null."""
    settings = {row["setting"]: row for row in chancy_json("config")}
    assert settings["worker.lease_s"] == {"setting": "worker.lease_s", "value": "15.0", "from": "default"}
    told = chancy_json("plugins")
    assert (told["plugins"], told["workers"], told["problem"]) == ([], [], None)


@pytest.fixture
def chancy_json(dsn, schema, tmp_path, monkeypatch):
    """Runs a command with `--json`, and reads its document."""
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, "migrate"])

    def run(*arguments: str):
        done = CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, *arguments, "--json"])
        assert done.exit_code == 0, done.output
        return msgspec.json.decode(done.stdout)

    return run
