"""Limits on the command line: `chancy push --limit memory=… --limit time=…`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from chancy_core.cli.group import chancy as command


@pytest.fixture
def push(dsn, schema):
    def call(*arguments: str):
        return CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, "push", "a.b", *arguments])

    return call


def test_a_job_is_pushed_with_limits(push, query):
    """In bytes and in seconds, as they are stored from anywhere else."""
    done = push("--limit", "memory=104857600", "--limit", "time=1.5")
    assert done.exit_code == 0, done.output
    ((limits,),) = query("SELECT limits FROM {s}.jobs")
    assert limits == [{"type_": "memory", "value": 104857600}, {"type_": "time", "value": 1.5}]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (["memory"], "--limit is 'memory': give memory=BYTES or time=SECONDS."),
        (["memory=1 GB"], "--limit is 'memory=1 GB'"),
        (["=5"], "Limit type '' is unknown"),
        (["disk=5"], "Limit type 'disk' is unknown"),
        (["time=0"], "Limit time is 0"),
        (["time=nan"], "Limit time is nan"),
        (["time=inf"], "Limit time is inf"),
        (["time=1", "time=2"], "two of the same type"),
    ],
)
def test_a_wrong_limit_is_refused(push, limits, told):
    """In one line, and nothing is pushed."""
    done = push(*(part for limit in limits for part in ("--limit", limit)))
    assert done.exit_code == 1
    assert told in done.output
    assert "Traceback" not in done.output
