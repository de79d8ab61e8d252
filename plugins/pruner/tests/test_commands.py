"""`chancy prune`."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from chancy import Chancy
from chancy_pruner import Pruner
from chancy_pruner.commands import prune_command

DAY = 86_400
SETTINGS = {"rules": [{"name": "noise", "func": "noise.*", "keep": {"succeeded": "1h"}}]}


@pytest.fixture
def run(dsn, schema, chancy):
    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(
            prune_command(Pruner(**SETTINGS)), arguments, obj=lambda: Chancy(dsn, schema=schema, discover=False)
        )
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


def test_what_would_go_is_told_and_nothing_is_changed(run, partition, finish, query):
    """By outcome, rule, number and partition; then it goes."""
    old = partition(3 * DAY, 2 * DAY)
    finish(1_200, 2.5 * DAY)
    finish(30, 7200, func="noise.tick")
    finish(4, 20 * DAY, "failed")
    finish(1, 20)
    for arguments in ([], ["--dry-run"]):
        told = [line.split() for line in run(*arguments).splitlines()]
        assert ["succeeded", "noise", "1h", "3h"] in told
        assert ["succeeded", "every", "rule", "1,200", "dropped", "whole"] in [line[:6] for line in told]
        assert old in [line[-1] for line in told if line]
        assert ["succeeded", "noise", "30", "deleted"] in [line[:4] for line in told]
        assert ["failed", "everything", "else", "4", "deleted"] in [line[:5] for line in told]
        assert told[-1][:5] == ["1,234", "jobs", "would", "go,", "1"]
    assert query("SELECT count(*) FROM {s}.finished_jobs") == [(1_235,)]
    done = run("--now")
    assert f"partition {old} dropped" in done
    assert "30 succeeded jobs deleted (noise)" in done
    assert query("SELECT count(*) FROM {s}.finished_jobs") == [(1,)]
    assert "Nothing is old enough to go." in run()
    assert "Nothing was old enough to go." in run("--now")


def test_large_partitions_are_estimated(run, partition, finish, query, monkeypatch):
    """Rather than read as a whole; and the estimate is near."""
    monkeypatch.setattr("chancy_pruner.plan.PAGES_COUNTED", 60)
    partition(3 * DAY, 2 * DAY)
    finish(20_000, 2.5 * DAY)
    finish(20_000, 7200, func="noise.tick")
    query("ANALYZE {s}.finished_jobs")
    told = [line.split() for line in run("--dry-run").splitlines()]
    (whole,) = [line for line in told if "dropped" in line]
    (noise,) = [line for line in told if "noise" in line and "deleted" in line]
    for line in (whole, noise):
        number = int(line[line.index("about") + 1].replace(",", ""))
        assert 10_000 < number < 40_000


def test_both_options_are_refused(run):
    """One changes nothing, the other does."""
    assert "give one of them" in run("--dry-run", "--now", code=2)


def test_the_plugin_works_without_the_command_lines_libraries():
    """A worker in an environment without click and rich prunes."""
    code = "import sys; sys.modules['click'] = sys.modules['rich'] = None; from chancy_pruner import Pruner; Pruner()"
    subprocess.run([sys.executable, "-c", code], check=True)
