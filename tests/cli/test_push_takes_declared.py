"""`chancy push` takes what `@job` says of the function where the command line says nothing, and checks arguments."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from declared_jobs import DECLARED

from chancy import Chancy, Queue
from chancy_core.cli.group import chancy as command

NAME = "declared_jobs.everything"


@pytest.fixture
def push(dsn, schema, new_chancy):
    def call(*arguments: str):
        return CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, "push", *arguments])

    with new_chancy() as opened:
        opened.sync_declare(Queue("mail"))
        opened.sync_declare(Queue("other"))
    return call


@pytest.fixture
def stored(new_chancy):
    def found(done):
        assert done.exit_code == 0, done.output
        with new_chancy() as opened:
            return opened.sync_get_job(opened.reference(done.stdout.split()[0]))

    return found


@pytest.mark.parametrize("name", [NAME, "declared_jobs:everything"])
def test_what_is_declared_holds(push, stored, name):
    """Every field; and the answer is the reference alone."""
    done = push(name)
    job = stored(done)
    assert {field: getattr(job, field) for field in DECLARED} == DECLARED
    assert done.stderr == ""
    assert len(done.stdout.split()) == 1


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (["--queue", "other"], "queue", "other"),
        (["--queue", "default"], "queue", "default"),
        (["--priority", "0"], "priority", 0),
        (["--max-attempts", "1"], "max_attempts", 1),
        (["--unique-key", "mine"], "unique_key", "mine"),
        (["--kwargs", '{"to": "me"}'], "kwargs", {"to": "me"}),
    ],
)
def test_the_command_line_goes_before_what_is_declared(push, stored, options, field, value):
    """Also where it says what is the default anyway."""
    job = stored(push(NAME, *options))
    assert {name: getattr(job, name) for name in DECLARED} == {**DECLARED, field: value}


def test_of_limits_each_kind_counts_by_itself(push, stored):
    """A time limit on the command line takes no memory limit away."""
    job = stored(push(NAME, "--limit", "time=5"))
    assert {limit.type_: limit.value for limit in job.limits} == {"time": 5, "memory": DECLARED["limits"][0].value}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([NAME, "--kwargs", '{"too": 1}'], "Did you mean 'to'?"),
        (["declared_jobs.send", "--kwargs", '{"usr": 3}'], "declared_jobs.send does not take these kwargs: it needs"),
        (["declared_jobs.send"], "it needs user"),
        (["declared_jobs.by_position"], "only be given by position"),
        (["report"], "'report' names no module"),
        (["declared_jobs.send", "--kwargs", "[1]"], "kwargs is [1]"),
        (["declared_jobs.send", "--kwargs", "{"], "which is not JSON"),
    ],
)  # fmt: skip
def test_a_job_that_could_only_fail_is_refused(push, query, arguments, told):
    """In one line, with what would be right; nothing is pushed."""
    done = push(*arguments)
    assert done.exit_code == 1
    assert told in done.stderr
    assert "Traceback" not in done.output
    assert query("SELECT FROM {s}.jobs") == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module.send", "there is no module 'no_such_module'"),
        ("declared_jobs.takes_anny", "Did you mean 'takes_any'?"),
        ("declared_jobs.MIB", "is not callable"),
        ("__main__.send", "it is in the script of a worker"),
    ],
)
def test_what_does_not_import_here_is_pushed_and_told(push, stored, name, why):
    """A worker may have it: a note on standard error says why it was not looked at, and what follows."""
    done = push(name, "--kwargs", '{"user": 3}')
    job = stored(done)
    assert (job.func, job.kwargs, job.queue) == (name, {"user": 3}, "default")
    assert done.stderr.startswith(f"Note: {name} could not be looked at here")
    assert why in done.stderr


@pytest.mark.parametrize("text", ["raise KeyError('no settings')", "raise SystemExit(3)", "import sys; sys.exit('no')"])
def test_a_module_that_does_not_import_stops_no_push(push, stored, tmp_path, monkeypatch, text):
    """Whatever it raises is the reason in the note."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "import_raises.py").write_text(text)
    done = push("import_raises.f")
    assert stored(done).func == "import_raises.f"
    assert "import_raises raised" in done.stderr


def test_functions_that_may_not_be_run_here_are_not_imported(push, stored, monkeypatch, tmp_path):
    """The setting `functions` holds for this, too."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CHANCY_FUNCTIONS", "app.*")
    (tmp_path / "import_forbidden.py").write_text("raise AssertionError('imported')")
    done = push("import_forbidden.f")
    assert stored(done).func == "import_forbidden.f"
    assert "may not be run" in done.stderr


def test_in_a_terminal_the_function_is_found_in_the_current_folder(dsn, schema, tmp_path):
    """As a worker that is started there finds it; what the module prints is no part of the answer."""
    (tmp_path / "tasks.py").write_text(
        "from chancy import job\nprint('imported')\n@job(max_attempts=7)\ndef report():\n    pass\n"
    )
    command_line = [sys.executable, "-m", "chancy_core", "--dsn", dsn, "--schema", schema]
    done = subprocess.run(
        [*command_line, "push", "tasks.report"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert len(done.stdout.split()) == 1
    assert done.stderr.endswith("imported\n")
    shown = subprocess.run([*command_line, "job", done.stdout.strip(), "--json"], capture_output=True, check=True)
    assert json.loads(shown.stdout)["max_attempts"] == 7


def test_a_declared_queue_that_is_not_there_is_told(dsn, schema):
    """With the queue's name, and no traceback."""
    with Chancy(dsn, schema=schema, discover=False):
        done = CliRunner().invoke(command, ["--dsn", dsn, "--schema", schema, "push", NAME])
    assert done.exit_code == 1
    assert "mail" in done.stderr
