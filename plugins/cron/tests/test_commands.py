"""`chancy cron …`."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from chancy import Chancy
from chancy.plugin import Ranged
from chancy_cron import Cron, InvalidSchedule, ScheduleNotFound
from chancy_cron.commands import cron


@pytest.fixture
def run(dsn, schema):
    def call(*arguments: str) -> str:
        result = CliRunner().invoke(
            cron,
            arguments,
            obj=lambda: Chancy(dsn, schema=schema, discover=False, plugins=[Cron()]),
            catch_exceptions=False,
        )
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_a_schedule_lives_by_command(run, query, schema):
    """Added, listed, looked ahead, paused, resumed, run and removed."""
    assert f"There is no schedule in schema {schema!r} at " in run("list")
    added = run(
        "add", "nightly", "0 3 * * *", "app.jobs.report", "--kwargs", '{"full": true}', "--timezone", "Asia/Tokyo",
        "--missed", "all", "--jitter", "5", "--no-overlap",
    )  # fmt: skip
    assert "schedule nightly declared" in added
    assert "03:00:00 +0900" in added
    listed = run("list")
    for part in ("nightly", "0 3 * * *", "Asia/Tokyo", "app.jobs.report", "03:00:00 +0900", "never", "all", "code"):
        assert part in listed
    ahead = run("next", "nightly", "-n", "3").splitlines()
    assert len(ahead) == 3
    assert all(line.endswith("03:00:00 +0900") for line in ahead)
    assert run("pause", "nightly") == "schedule nightly paused\n"
    assert "paused" in run("list")
    resumed = run("resume", "nightly")
    assert "schedule nightly resumed; next at" in resumed
    assert "03:00:00 +0900" in resumed
    id_ = run("run-now", "nightly").strip()
    assert query("SELECT kwargs, unique_key FROM {s}.jobs WHERE id = %s", id_) == [({"full": True}, "cron:nightly")]
    assert "exists already" in run("run-now", "nightly")
    assert run("remove", "nightly") == "schedule nightly removed\n"


def test_the_plugin_works_without_the_command_lines_libraries():
    """A worker in an environment without click and rich has cron."""
    code = "import sys; sys.modules['click'] = sys.modules['rich'] = None; from chancy_cron import Cron; Cron()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mistakes_are_told(run):
    """As Chancy's errors, which the command line prints in one line."""
    with pytest.raises(InvalidSchedule, match="the hour is '25'"):
        run("add", "s", "0 25 * * *", "a.b")
    with pytest.raises(InvalidSchedule, match="--kwargs is not a JSON object"):
        run("add", "s", "@daily", "a.b", "--kwargs", "[1]")
    with pytest.raises(ScheduleNotFound, match="There is no schedule 's'"):
        run("pause", "s")


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--priority", "2147483648", "a whole number from -2,147,483,648 to 2,147,483,647"),
        ("--max-attempts", "0", "a whole number from 1 to 2,147,483,647"),
        ("--missed-max", "10001", "a whole number from 1 to 10,000"),
        ("--jitter", "nan", "seconds from 0 to 86,400 (a day)"),
        ("--jitter", "86400.5", "seconds from 0 to 86,400 (a day)"),
    ],
)
def test_a_number_out_of_range_is_told_with_its_option(option, value, told):
    """Before anything is asked of the database; and the range is that of the schedule, or of its job."""
    result = CliRunner().invoke(cron, ["add", "s", "@daily", "a.b", f"{option}={value}"], obj=None)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': '{value}': give {told}." in result.output


def test_every_option_that_is_a_number_has_a_range():
    """An option that takes any number would be an error deep inside, or none."""
    numbers = {
        (command.name, option.name)
        for command in cron.commands.values()
        for option in command.params
        if isinstance(option.type, Ranged)
    }
    assert numbers == {
        ("add", "priority"), ("add", "max_attempts"), ("add", "missed_max"), ("add", "jitter_s"), ("next", "count"),
    }  # fmt: skip
    left = {option.type.name for command in cron.commands.values() for option in command.params}
    assert not left & {"integer", "float", "integer range", "float range"}
